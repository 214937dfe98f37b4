// Bundles a program of the SDK for browsers, as a user's bundler does (the `browser` condition of package.json), and refuses what
// no browser has. Prints the size.
import { writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'

const ROOT = resolve(import.meta.dirname, '../..')

/** What opening an agent may cost a page on the wire, shared documents (yjs) apart. What is loaded later is told beside it. */
export const LIMIT_BYTES = 60 * 1024
/** Packages and folders that belong to a server. */
const SERVER_ONLY =
  /[\\/]node_modules[\\/](ws|better-sqlite3|koffi|prom-client|nostr-wasm|tiny-secp256k1)[\\/]|[\\/]dist[\\/](relay|cli|sdk[\\/]home)[\\/]/

const gzipped = code => gzipSync(code, { level: 9 }).length

/**
 * Bundles source text that imports `posthorn`. Returns the files by name, the entry first; what a page loads before the program
 * runs (`gzip`: the entry and all it imports statically), and what it fetches on demand (`later`), in bytes.
 */
export async function bundle(source, { minify = true } = {}) {
  const entry = join(ROOT, 'test/browser/.entry.mjs')
  const bundler = await rolldown({
    input: entry,
    platform: 'browser',
    // As for an application: nobody imports its entry, so what is shared with later pieces may be in it.
    preserveEntrySignatures: 'allow-extension',
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
      // What one program fetches on demand another imports at once: that is its size, and no fault.
      if (level === 'warn' && log.code !== 'INEFFECTIVE_DYNAMIC_IMPORT') throw new Error(log.message)
    },
  })
  const { output } = await bundler.generate({ format: 'esm', minify })
  const chunks = new Map(output.map(chunk => [chunk.fileName, chunk]))
  const first = output.find(({ isEntry }) => isEntry)
  const atOnce = new Set([first])
  for (const { imports } of atOnce) for (const name of imports) atOnce.add(chunks.get(name))
  const modules = output.flatMap(chunk => Object.keys(chunk.modules))
  const server = modules.filter(id => SERVER_ONLY.test(id))
  if (server.length > 0) throw new Error(`parts of a server are reachable from a page: ${server.join(', ')}`)
  const sum = (some, size) => some.reduce((total, chunk) => total + size(chunk), 0)
  return {
    files: new Map([...atOnce, ...output].map(({ fileName, code }) => [fileName, code])),
    bytes: sum([...atOnce], ({ code }) => code.length),
    gzip: sum([...atOnce], ({ code }) => gzipped(code)),
    later: output.filter(chunk => !atOnce.has(chunk)).map(({ name, code }) => ({ name, gzip: gzipped(code) })),
    modules,
  }
}

/** An agent: what a page loads that opens one. The limit is about this; what else the entry exports is left out where it is not used. */
export const bundleAgent = () => bundle(`export { openAgent } from 'posthorn'`)
/** Everything that the entry exports. */
export const bundleAll = () => bundle(`export * from 'posthorn'`)

if (process.argv[1] === import.meta.filename) {
  const { files, bytes, gzip, later, modules } = await bundleAgent()
  const [[, code]] = files
  if (process.argv[2]) writeFileSync(process.argv[2], code)
  console.log(`${bytes} bytes, ${gzip} gzipped (limit ${LIMIT_BYTES}), ${modules.length} modules`)
  for (const { name, gzip: size } of later) console.log(`later: ${name}, ${size} gzipped`)
}
