import { fail, ok, type Result } from '../../../protocol/result.ts'
import type { DecodedUpdate, Run, StructId } from './decode.ts'
import { decodeUpdate } from './decode.ts'
import { deepestType, type KnownDepth, MAX_NESTING } from './depth.ts'

/** What one update may ask of those who apply it. */
export const UPDATE_LIMITS = {
  /** Bytes of an update that fits one event. */
  bytes: 65_536,
  /** Bytes of one that came in parts, and of a snapshot. */
  joinedBytes: 1_048_576,
  /** Events that one update comes in at most. */
  parts: 64,
  snapshotBytes: 16_777_216,
  /** Elements and deleted ranges: each may cost a search through its neighbours. */
  structs: 32_768,
  /** Clocks that one update takes: characters, mostly. */
  clocks: 16_777_216,
} as const

/** The document that an update is to be applied to. */
export interface KnownStructs {
  /** Clocks known of a client: 0 to n − 1. */
  clock(client: number): number
  depth: KnownDepth
}

/** An update that may be applied: what its author has written afterwards. */
export interface ValidDelta {
  readonly client: number
  /** Next clock of the author's client id; unchanged if it only deletes. */
  readonly next: number
  /** Elements and deleted ranges. */
  readonly size: number
  /** Client ids of others whose elements it refers to: what it must come after. */
  readonly refersTo: ReadonlySet<number>
}

export interface DeltaRules {
  readonly maxBytes?: number
  /** Where the author goes on. Not known yet: anywhere without a gap, since a snapshot may hold more than it says. */
  readonly start?: number | undefined
}

/**
 * Whether an author may say this, and everybody who has the same document come to the same: it writes under its own client id alone,
 * exactly where it left off; refers to and deletes only what exists. What passes leaves nothing waiting inside Yjs.
 */
export function validateDelta(
  bytes: Uint8Array,
  client: number,
  known: KnownStructs,
  { maxBytes = UPDATE_LIMITS.bytes, start }: DeltaRules = {},
): Result<ValidDelta> {
  if (bytes.length > maxBytes) return fail(`too large: ${bytes.length} bytes, the limit is ${maxBytes}`)
  const decoded = decodeUpdate(bytes)
  if (!decoded.ok) return decoded
  const { runs } = decoded.value
  if (runs.some(run => run.client !== client)) return fail('it writes under a client id that is not its author’s')
  const [run] = runs
  const at = start ?? known.clock(client)
  if (run !== undefined && (start === undefined ? run.clock > at : run.clock !== at))
    return fail(`it starts at clock ${run.clock}, its author is at ${at}`)
  const next = run === undefined ? at : endOf(run)
  if (next - at > UPDATE_LIMITS.clocks) return fail('it takes too many clocks')
  if (sizeOf(decoded.value) > UPDATE_LIMITS.structs) return fail('it has too many elements')
  // Its own elements may refer to those before them only.
  const exists = ({ client: of, clock }: StructId, before: number) => clock < (of === client ? before : known.clock(of))
  const fault = faultOf(decoded.value, exists, of =>
    of === client ? Math.max(next, known.clock(of)) : known.clock(of),
  )
  if (fault !== undefined) return fail(fault)
  if (deepestType(decoded.value, known.depth) > MAX_NESTING) return fail('types are nested too deeply')
  return ok({ client, next, size: sizeOf(decoded.value), refersTo: clientsReferred(decoded.value, client) })
}

const sizeOf = ({ runs, deletes }: DecodedUpdate): number =>
  runs.reduce((sum, { structs }) => sum + structs.length, deletes.length)

function clientsReferred({ runs, deletes }: DecodedUpdate, self: number): ReadonlySet<number> {
  const clients = new Set<number>()
  for (const { structs } of runs)
    for (const { origin, rightOrigin, parent } of structs)
      for (const id of [origin, rightOrigin, parent]) if (id !== undefined) clients.add(id.client)
  for (const { client } of deletes) clients.add(client)
  clients.delete(self)
  return clients
}

/**
 * Whether a snapshot stands on its own: every client from clock 0 without a hole, nothing referred to or deleted that is not in it.
 * What it says is its signer's word.
 */
export function validateSnapshot(bytes: Uint8Array): Result<DecodedUpdate> {
  if (bytes.length > UPDATE_LIMITS.snapshotBytes)
    return fail(`too large: ${bytes.length} bytes, the limit is ${UPDATE_LIMITS.snapshotBytes}`)
  const decoded = decodeUpdate(bytes)
  if (!decoded.ok) return decoded
  const ends = new Map<number, number>()
  for (const run of decoded.value.runs) {
    if (run.clock !== 0) return fail(`it starts at clock ${run.clock} of a client`)
    ends.set(run.client, endOf(run))
  }
  const end = (client: number) => ends.get(client) ?? 0
  const fault = faultOf(decoded.value, ({ client, clock }) => clock < end(client), end)
  if (fault !== undefined) return fail(fault)
  return deepestType(decoded.value, () => undefined) > MAX_NESTING ? fail('types are nested too deeply') : decoded
}

const endOf = ({ clock, structs }: Run): number => {
  const last = structs.at(-1)
  return last === undefined ? clock : last.clock + last.length
}

function faultOf(
  { runs, deletes }: DecodedUpdate,
  exists: (id: StructId, before: number) => boolean,
  end: (client: number) => number,
): string | undefined {
  for (const { structs } of runs)
    for (const { type, clock, origin, rightOrigin, parent } of structs) {
      if (type === 'skip') return 'it leaves out clocks'
      for (const id of [origin, rightOrigin, parent])
        if (id !== undefined && !exists(id, clock)) return 'it refers to something that does not exist'
    }
  for (const { client, clock, length } of deletes)
    if (clock + length > end(client)) return 'it deletes something that does not exist yet'
  return undefined
}
