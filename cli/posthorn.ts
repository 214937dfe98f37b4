#!/usr/bin/env node
// Imports nothing before the check: on an old Node an import may fail with a message that helps nobody.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`posthorn needs Node 20.19 or later; this is ${process.versions.node}. Install a current Node.`)
  process.exit(1)
}
import('./process.ts').then(({ runProcess }) => runProcess(process.argv.slice(2)))
