import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Random, randomHex, systemRandom } from '../../platform/random.ts'
import type { Shelf } from '../shelf.ts'
import { isMissing, writePrivateFile } from './files.ts'

/** One file per text in the home, 0600, replaced atomically. */
export function fileShelf(home: string, random: Random = systemRandom): Shelf {
  const path = (name: string) => join(home, `${name}.json`)
  return {
    read(name) {
      try {
        return readFileSync(path(name), 'utf8')
      } catch (error) {
        if (isMissing(error)) return undefined
        throw error
      }
    },
    write: (name, text) => writePrivateFile(path(name), text, randomHex(random, 16)),
  }
}
