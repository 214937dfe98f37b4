import type { NostrEvent } from 'posthorn/protocol'

/** A value that stands, and which write of its author put it there. `value` undefined: removed. */
export interface Standing {
  readonly session: string
  readonly n: number
  readonly value: unknown
}

/** Owned state as these events have it (docs/protocol.md, "State"), folded apart from the SDK. */
export function foldState(events: readonly NostrEvent[], author: string): ReadonlyMap<string, Standing> {
  const standing = new Map<string, Standing>()
  let base = ''
  const put = (key: string, session: string, n: number, value: unknown) => {
    const before = standing.get(key)
    if (before && (before.session > session || (before.session === session && before.n >= n))) return
    standing.set(key, { session, n, value: value === null ? undefined : value })
  }
  for (const event of events) {
    if (event.pubkey !== author) continue
    const [, name, session64 = '', number] = event.tags.find(([tag]) => tag === 'o') ?? []
    if (name !== 's') continue
    const session = Buffer.from(session64, 'base64url').toString('hex')
    if (event.kind === 34_701) {
      for (const [key, value] of Object.entries(JSON.parse(event.content) as object))
        put(key, session, Number(number), value)
      continue
    }
    // Pieces of a large one; states here are small.
    if (event.kind !== 34_702 || event.tags.some(([tag]) => tag === 'i')) continue
    const payload = event.content.slice(event.content.indexOf('\n') + 1)
    const record = JSON.parse(payload) as { base?: string; s: string[]; e: [number, number, object][] }
    if (record.base !== undefined && record.base > base) base = record.base
    for (const [index, n, values] of record.e)
      for (const [key, value] of Object.entries(values)) put(key, record.s[index] ?? '', n, value)
  }
  for (const [key, { session }] of standing) if (session < base) standing.delete(key)
  return standing
}
