import { type Database, loadDriver } from '#dist/platform/sqlite-driver.js'

/** A database that SQLite itself lets grow no further: what a full disk is to it, for one file alone. */
interface OpenFile extends Database {
  readonly name: string
  readonly open: boolean
}

const full = new Set<string>()
const files = new Set<OpenFile>()
let isWatching = false

const isIn = (folder: string, file: string) => file.startsWith(`${folder}/`)

/** From now on every database that is opened is known here. */
function watch(): void {
  if (isWatching) return
  isWatching = true
  const { prototype } = loadDriver() as unknown as { prototype: OpenFile }
  const { pragma } = prototype
  const known = new WeakSet<OpenFile>()
  prototype.pragma = function (this: OpenFile, ...args) {
    if (!known.has(this)) {
      known.add(this)
      for (const file of files) if (!file.open) files.delete(file)
      files.add(this)
      for (const folder of full) if (isIn(folder, this.name)) fill(this, pragma)
    }
    return pragma.apply(this, args)
  }
}

function fill(file: OpenFile, pragma = file.pragma): void {
  const pages = Number(pragma.call(file, 'page_count', { simple: true }))
  pragma.call(file, `max_page_count = ${Math.max(1, pages)}`)
}

/** No database in this folder grows any more, those that are open and those that will be. */
export function fillDisk(folder: string): void {
  watch()
  full.add(folder)
  for (const file of files) if (file.open && isIn(folder, file.name)) fill(file)
}

export function freeDisk(folder: string): void {
  full.delete(folder)
  for (const file of files) if (file.open && isIn(folder, file.name)) file.pragma('max_page_count = 4294967294')
}

watch()
