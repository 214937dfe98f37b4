// Runs on `npm ci` in a checkout: says plainly when Node is too old, builds, and says what is missing for SQLite.
// Without sources there is nothing to build: in an installed package it does nothing.
import { existsSync } from 'node:fs'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(
    `posthorn needs Node 20.19 or later; this is ${process.versions.node}. Install a current Node and run npm ci again.`,
  )
  process.exit(1)
}
if (existsSync('tsconfig.json')) {
  await import('./build.mjs')
  const { loadDriver } = await import('../dist/platform/sqlite-driver.js')
  try {
    loadDriver()
  } catch (error) {
    console.error(`\nThe build is done, but a relay or an agent cannot store anything yet:\n${error.message}\n`)
  }
}
