// Runs on `npm ci` in a checkout: says plainly when Node is too old, then builds with tsc.
// A packed install carries dist/ already and has no TypeScript, so it never runs there.
import { execFileSync } from 'node:child_process'
import { chmodSync } from 'node:fs'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `posthorn needs Node 20.19 or later; this is ${process.versions.node}. Install a current Node and run npm ci again.`,
  )
  process.exit(1)
}
execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'], { stdio: 'inherit' })
// npm makes a bin executable when it links one; in the checkout itself nothing is linked.
chmodSync('dist/cli/posthorn.js', 0o755)
