import { type Random, randomHex } from '../platform/random.ts'
import { isHex } from '../protocol/hex.ts'
import type { Table } from './tables.ts'

/** Small texts an agent keeps beside its mail, by name (letters, digits, dashes): contacts, invites, its card. */
export interface Shelf {
  read(name: string): string | undefined
  /** Replaces it, whole or not at all; durable when it returns where the host can. */
  write(name: string, text: string): void
}

/** Names the presence of one home among the sessions of its key: made once, 16 hex. */
export function sessionOn(shelf: Shelf, random: Random): string {
  const known = shelf.read('session')?.trim()
  if (isHex(known, 16)) return known
  const made = randomHex(random, 16)
  shelf.write('session', made)
  return made
}

/** On a table that is kept by somebody else. */
export function tableShelf(table: Table<{ readonly text: string }>): Shelf {
  return { read: name => table.get(name)?.text, write: (name, text) => void table.set(name, { text }) }
}

/** Lasts as long as the object. */
export function memoryShelf(): Shelf {
  const texts = new Map<string, string>()
  return { read: name => texts.get(name), write: (name, text) => void texts.set(name, text) }
}
