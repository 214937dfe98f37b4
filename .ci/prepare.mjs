// Runs on `npm ci` in a checkout: says plainly when Node is too old, then builds.
// A packed install carries dist/ already and has no TypeScript, so it never runs there.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `posthorn needs Node 20.19 or later; this is ${process.versions.node}. Install a current Node and run npm ci again.`,
  )
  process.exit(1)
}
await import('./build.mjs')
