import { base64 } from '@scure/base'
import {
  type Awareness,
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from 'y-protocols/awareness'
import { seconds } from '../../platform/clock.ts'
import type { Cancel } from '../../platform/timers.ts'
import { byteLength, type NostrEvent, tagValue } from '../../protocol/event.ts'
import { isRecord, parseJson } from '../../protocol/json.ts'
import { DOC_AWARENESS } from '../../protocol/kinds.ts'
import { isSession } from '../../protocol/state.ts'
import { clientIdOf } from './client-id.ts'
import { createHeardSessions } from './heard-sessions.ts'
import type { DocHost } from './host.ts'
import type { DocSeal } from './secret/seal.ts'
import { watchShared } from './shared-watch.ts'

/** Local changes are told at most so often, */
const THROTTLE_MS = 200
/** and are at most so large, as JSON. */
const MAX_STATE_BYTES = 8_192
/** What is dated further from now is a replay: nobody keeps such events honestly. */
const MAX_SKEW_S = 90

/** Where awareness belongs at the moment. */
export interface AwarenessPlace {
  /** The generation's log. */
  readonly o: string
  readonly session: string
  readonly seal: DocSeal | undefined
  /** Counter of what this session has said. It outlives a bridge: members ignore a counter that they have heard. */
  readonly spoken: { n: number }
}

export interface AwarenessBridgeOptions {
  readonly host: DocHost
  readonly awareness: Awareness
  readonly place: AwarenessPlace
  isMember(pubkey: string): boolean
}

/**
 * Tells others of a y-protocols Awareness, and it of others: signed, sealed for the members, each key for its own client ids alone, so
 * that nobody can say of another that it is gone. What was said is forgotten after 30 s by the clock of who hears it.
 */
export function bridgeAwareness({ host, awareness, place, isMember }: AwarenessBridgeOptions): () => void {
  const { timers, clock, signer } = host
  const { o, session, seal, spoken } = place
  const heard = createHeardSessions()
  let cancelNext: Cancel | undefined
  let due = false
  let closed = false

  function tell(): void {
    if (closed) return
    if (cancelNext) {
      due = true
      return
    }
    cancelNext = timers.after(
      THROTTLE_MS,
      () => {
        cancelNext = undefined
        if (due) tell()
      },
      { background: true },
    )
    due = false
    void publish(awareness.getLocalState())
  }

  async function publish(state: object | null): Promise<void> {
    const text = JSON.stringify(state)
    if (byteLength(text) > MAX_STATE_BYTES) return
    spoken.n += 1
    const { n } = spoken
    const bytes = new TextEncoder().encode(text)
    const at = { kind: DOC_AWARENESS, o, author: signer.pubkey, session, n }
    try {
      const event = await signer.sign({
        kind: DOC_AWARENESS,
        created_at: seconds(clock),
        tags: [
          ['o', o],
          ['g', session],
          ['n', String(n)],
        ],
        content: base64.encode(seal ? seal.seal(bytes, at) : bytes),
      })
      for (const line of host.lines()) if (line.isOpen) void line.publish(event)
    } catch {
      // The key is elsewhere and gives no answer: the next change, or the next renewal, tells.
    }
  }

  function hear(event: NostrEvent): void {
    const from = tagValue(event, 'g')
    const count = Number(tagValue(event, 'n'))
    const isOurs = event.pubkey === signer.pubkey && from === session
    if (closed || isOurs || !isMember(event.pubkey) || !isSession(from) || !Number.isSafeInteger(count) || count < 1)
      return
    if (Math.abs(seconds(clock) - event.created_at) > MAX_SKEW_S) return
    const client = clientIdOf(event.pubkey, o, from)
    const state = stateOf(event, { kind: DOC_AWARENESS, o, author: event.pubkey, session: from, n: count }, seal)
    if (state === undefined) return
    const news = heard.hear(event.pubkey, client, count, clock.monotonic(), state === null)
    if (news === undefined) return
    removeAwarenessStates(awareness, [...news.dropped], 'posthorn')
    for (const dropped of news.dropped) awareness.meta.delete(dropped)
    const said = { states: new Map([[client, state]]), meta: new Map([[client, { clock: count, lastUpdated: 0 }]]) }
    applyAwarenessUpdate(awareness, encodeAwarenessUpdate(said as unknown as Awareness, [client]), 'posthorn')
    // Whoever is new has not heard us yet.
    if (news.joins) tell()
  }

  const onUpdate = (changes: { added: number[]; updated: number[]; removed: number[] }) => {
    const { clientID } = awareness
    if ([...changes.added, ...changes.updated, ...changes.removed].includes(clientID)) tell()
  }

  awareness.on('update', onUpdate)
  const stop = host.eachLine(line =>
    watchShared(line, timers, { kind: DOC_AWARENESS, o, stored: false, onEvent: hear, onLive: tell }),
  )
  return () => {
    if (closed) return
    awareness.off('update', onUpdate)
    cancelNext?.()
    // Goodbye: nobody has to wait until it is forgotten.
    void publish(null)
    closed = true
    stop()
    removeAwarenessStates(awareness, heard.clients(), 'posthorn')
  }
}

/** Undefined: nothing that a member's software says here. */
function stateOf(
  event: NostrEvent,
  place: Parameters<DocSeal['open']>[1],
  seal: DocSeal | undefined,
): Record<string, unknown> | null | undefined {
  if (event.content.length > 2 * MAX_STATE_BYTES) return undefined
  try {
    const bytes = base64.decode(event.content)
    const json = parseJson(new TextDecoder().decode(seal ? seal.open(bytes, place) : bytes))
    if (!json.ok) return undefined
    return json.value === null || isRecord(json.value) ? json.value : undefined
  } catch {
    return undefined
  }
}
