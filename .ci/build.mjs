// Compiles to dist/ with tsc. Whoever has built already and runs tests side by side sets POSTHORN_BUILT.
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const OUTPUT = 'dist'

if (!process.env.POSTHORN_BUILT) {
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
  removeOrphans()
  // npm makes a bin executable when it links one; in the checkout itself nothing is linked.
  chmodSync('dist/cli/posthorn.js', 0o755)
}

/** What was compiled from a file that has moved or gone would still be imported, and packed. */
function removeOrphans() {
  for (const entry of readdirSync(OUTPUT, { recursive: true })) {
    const source = entry.replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts')
    if (source !== entry && !existsSync(source)) rmSync(join(OUTPUT, entry))
  }
}
