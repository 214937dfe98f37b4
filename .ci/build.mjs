// Compiles to dist/ with tsc. Whoever has built already and runs tests side by side sets POSTHORN_BUILT.
import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'

if (!process.env.POSTHORN_BUILT) {
  const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
  // npm makes a bin executable when it links one; in the checkout itself nothing is linked.
  chmodSync('dist/cli/posthorn.js', 0o755)
}
