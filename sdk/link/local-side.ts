import type { FilterJson } from '../../protocol/filter.ts'
import { bytesToHex, hexToBytes } from '../../protocol/hex.ts'
import { type EventStub, packStubs, RecordSet, respond } from '../../protocol/negentropy/index.ts'
import { reason } from '../../protocol/reasons.ts'
import { RelayRefusedError } from '../errors.ts'
import type { Side } from './reconcile.ts'
import { refuseToList } from './refuse-to-list.ts'

const MESSAGE_BYTES = 60_000

/** What we hold ourselves, as one side of a reconciliation (NIP-77). Of a filter only `since` and `until` are looked at: `stubs` match the rest. */
export function localSide(name: string, stubs: readonly EventStub[]): Side {
  // NIP-01's order: newest first, within a second the lowest id.
  const ordered = [...stubs].sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? -1 : 1))
  const setOf = ({ since = 0, until = Number.POSITIVE_INFINITY }: FilterJson) =>
    new RecordSet([packStubs(ordered.filter(({ created_at }) => created_at >= since && created_at <= until))])
  return {
    url: name,
    negotiate(filter) {
      const set = setOf(filter)
      return {
        async ask(message) {
          const answer = respond(set, hexToBytes(message), MESSAGE_BYTES)
          if (!answer.ok) throw new RelayRefusedError(name, reason('invalid', 'a malformed NEG-MSG'))
          return bytesToHex(answer.value)
        },
        close() {},
      }
    },
    request: refuseToList,
  }
}
