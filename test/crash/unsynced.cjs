// Preloaded into a relay: its SQLite claims synchronous=FULL and runs with NORMAL. What a durability test must notice.
const Module = require('node:module')

const load = Module._load
const patched = new WeakSet()
Module._load = function (request, ...rest) {
  const loaded = load.call(this, request, ...rest)
  if (!/^better-sqlite3(-node20)?$/.test(request) || patched.has(loaded)) return loaded
  patched.add(loaded)
  const { pragma } = loaded.prototype
  loaded.prototype.pragma = function (text, options) {
    if (text === 'synchronous') return 2
    return pragma.call(this, text === 'synchronous = FULL' ? 'synchronous = NORMAL' : text, options)
  }
  return loaded
}
