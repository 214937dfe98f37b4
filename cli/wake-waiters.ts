import { randomHex, systemRandom } from '../platform/random.ts'
import { isRecord, own, parseJson } from '../protocol/json.ts'
import type { Shelf } from '../sdk/index.ts'
import { isRunning } from './host-process.ts'

const SHELF = 'wake-waiters'
const TURN_CHARS = 16

interface Waiter {
  readonly key: string
  readonly turn: string
  /** The waiting process. */
  readonly pid: number
}

/**
 * Takes the place of the waiter of the same key: each end of a turn starts one. Waiters of other sessions are left alone.
 * Returns whether this one still has its place.
 */
export function takeTurn(shelf: Shelf, key: string): () => boolean {
  const turn = randomHex(systemRandom, TURN_CHARS)
  const read = (): Waiter[] => {
    const json = parseJson(shelf.read(SHELF) ?? '')
    const list = json.ok && isRecord(json.value) ? own(json.value, 'waiters') : undefined
    return Array.isArray(list) ? list.flatMap(waiterOf) : []
  }
  const write = () => {
    const others = read().filter(waiter => waiter.key !== key && isRunning(waiter.pid))
    shelf.write(SHELF, JSON.stringify({ v: 1, waiters: [...others, { key, turn, pid: process.pid }] }))
  }
  write()
  return () => {
    const found = read().find(waiter => waiter.key === key)
    // Two that wrote in the same moment: one of them is missing, and was not replaced.
    if (found === undefined) write()
    return found === undefined || found.turn === turn
  }
}

function waiterOf(value: unknown): Waiter[] {
  if (!isRecord(value)) return []
  const [key, turn, pid] = [own(value, 'key'), own(value, 'turn'), own(value, 'pid')]
  return typeof key === 'string' && typeof turn === 'string' && typeof pid === 'number' ? [{ key, turn, pid }] : []
}
