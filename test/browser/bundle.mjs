// Bundles a program of the SDK for browsers, as a user's bundler does (the `browser` condition of package.json), and refuses what
// no browser has. Prints the size.
import { writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'

const ROOT = resolve(import.meta.dirname, '../..')

/** What a page should cost on the wire, shared documents (yjs) apart; and where the check fails, so that it does not grow unseen. */
export const TARGET_BYTES = 60 * 1024
export const LIMIT_BYTES = 70 * 1024
/** Packages and folders that belong to a server. */
const SERVER_ONLY =
  /[\\/]node_modules[\\/](ws|better-sqlite3|koffi|prom-client|nostr-wasm|tiny-secp256k1)[\\/]|[\\/]dist[\\/](relay|cli|sdk[\\/]home)[\\/]/

/** Bundles source text that imports `posthorn`; returns the code, and what it took to make it. */
export async function bundle(source, { minify = true } = {}) {
  const entry = join(ROOT, 'test/browser/.entry.mjs')
  const bundler = await rolldown({
    input: entry,
    platform: 'browser',
    // The package by its own name, through its own exports.
    plugins: [
      { name: 'entry', resolveId: id => (id === entry ? id : null), load: id => (id === entry ? source : null) },
      {
        name: 'no-node',
        resolveId(id, importer) {
          if (isBuiltin(id)) throw new Error(`${importer} imports ${id}, which no browser has`)
          return null
        },
      },
    ],
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(log.message)
    },
  })
  const { output } = await bundler.generate({ format: 'esm', minify, codeSplitting: false })
  const [chunk, ...rest] = output
  if (rest.length > 0) throw new Error('the bundle fell into several pieces')
  const modules = Object.keys(chunk.modules)
  const server = modules.filter(id => SERVER_ONLY.test(id))
  if (server.length > 0) throw new Error(`parts of a server are reachable from a page: ${server.join(', ')}`)
  return { code: chunk.code, bytes: chunk.code.length, gzip: gzipSync(chunk.code, { level: 9 }).length, modules }
}

/** An agent: what a page loads that opens one. The limit is about this; what else the entry exports is left out where it is not used. */
export const bundleAgent = () => bundle(`export { openAgent } from 'posthorn'`)
/** Everything that the entry exports. */
export const bundleAll = () => bundle(`export * from 'posthorn'`)

if (process.argv[1] === import.meta.filename) {
  const { code, bytes, gzip, modules } = await bundleAgent()
  if (process.argv[2]) writeFileSync(process.argv[2], code)
  console.log(`${bytes} bytes, ${gzip} gzipped (limit ${LIMIT_BYTES}), ${modules.length} modules`)
}
