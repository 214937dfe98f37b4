import { sha256 } from '@noble/hashes/sha2.js'
import * as Y from 'yjs'
import { bytesToHex } from '../../protocol/hex.ts'
import { ok, type Result } from '../../protocol/result.ts'
import type { StructId } from './update/decode.ts'
import { UPDATE_LIMITS, type ValidDelta, validateDelta, validateSnapshot } from './update/validate.ts'

/** Origin of every transaction that brings what others wrote: whoever listens to the document can tell it from local changes. */
export const FOREIGN = Symbol('posthorn')

/** One document as its log has it, inside a Y.Doc that may also hold local changes which the log has not. */
export interface Replica {
  readonly doc: Y.Doc
  /** Applies what a member wrote, if it is valid here and now. */
  apply(update: Uint8Array, client: number): Result<ValidDelta>
  /**
   * Takes over a whole state. `passed`: the clients whose changes it contains beyond those applied one by one. What such a client
   * writes next starts somewhere in the state: where exactly only its own next change says.
   */
  join(state: Uint8Array, passed: Iterable<number>): Result<void>
  /** Whether a state may be joined, without doing it. */
  check(state: Uint8Array): Result<void>
  /** A local update went into the log. */
  wrote(valid: ValidDelta): void
  /** Whether a local update would be taken by everybody. */
  judge(update: Uint8Array, client: number): Result<ValidDelta>
  /** Clock of the first element of a client that is not in the log. */
  clockOf(client: number): number
  /** `run` is one transaction of the document. False: something is left waiting inside Yjs, and could not be healed. */
  together(run: () => void): boolean
  /** Elements known: what an update costs grows with it. */
  readonly size: number
}

export function createReplica(doc: Y.Doc): Replica {
  /** Clocks that the log has of each client. Local changes are in the document before they are in here. */
  const vector = new Map<number, number>()
  /** Clock of a client's next change. Absent after a state has passed over changes of it: the state may hold more than its cover says. */
  const next = new Map<number, number>()

  const known = {
    clock: (client: number) => vector.get(client) ?? 0,
    depth: (id: StructId) => depthIn(doc, id),
  }

  function judge(update: Uint8Array, client: number): Result<ValidDelta> {
    return validateDelta(update, client, known, { maxBytes: UPDATE_LIMITS.joinedBytes, start: next.get(client) })
  }

  function wrote(valid: ValidDelta): void {
    next.set(valid.client, valid.next)
    if (valid.next > known.clock(valid.client)) vector.set(valid.client, valid.next)
  }

  return {
    doc,
    judge,
    clockOf: client => next.get(client) ?? known.clock(client),
    wrote,
    apply(update, client) {
      const valid = judge(update, client)
      if (!valid.ok) return valid
      Y.applyUpdate(doc, update, FOREIGN)
      wrote(valid.value)
      return valid
    },
    check(state) {
      const valid = validateSnapshot(state)
      return valid.ok ? ok(undefined) : valid
    },
    join(state, passed) {
      const valid = validateSnapshot(state)
      if (!valid.ok) return valid
      Y.applyUpdate(doc, state, FOREIGN)
      for (const client of passed) next.delete(client)
      for (const { client, structs } of valid.value.runs) {
        const last = structs.at(-1)
        if (last && last.clock + last.length > known.clock(client)) vector.set(client, last.clock + last.length)
      }
      return ok(undefined)
    },
    together(run) {
      Y.transact(doc, run, FOREIGN, false)
      if (isWhole(doc)) return true
      // Fragments that wait for each other let go of it when they see the whole (measured with 13.6).
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(doc), FOREIGN)
      return isWhole(doc)
    },
    get size() {
      let size = 0
      for (const structs of doc.store.clients.values()) size += structs.length
      return size
    },
  }
}

const isWhole = ({ store }: Y.Doc): boolean => store.pendingStructs === null && store.pendingDs === null

/** How many shared types an element is in; undefined if it is not known. */
export function depthIn(doc: Y.Doc, { client, clock }: StructId): number | undefined {
  if (clock >= Y.getState(doc.store, client)) return undefined
  let struct: Y.Item | Y.GC | null = Y.getItem(doc.store, Y.createID(client, clock))
  let depth = 0
  while (struct instanceof Y.Item) {
    const parent: Y.Item['parent'] = struct.parent
    struct = parent instanceof Y.AbstractType ? parent._item : null
    if (struct) depth += 1
  }
  return depth
}

/** Equal for two documents exactly if they hold the same elements and have deleted the same: 64 hex. Bytes of updates are not compared. */
export const digestOf = (doc: Y.Doc): string => bytesToHex(sha256(Y.encodeSnapshot(Y.snapshot(doc))))
