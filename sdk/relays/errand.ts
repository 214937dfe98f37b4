import type { Cancel } from '../../platform/timers.ts'
import { encodeEvent, type NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { type Answer, askLink } from '../link/ask.ts'
import { createLink, type Link } from '../link/link.ts'
import { type PublishOutcome, UNREACHED } from '../link/questions.ts'
import type { DiscoveryOptions } from './discovery.ts'

/** A connection that nothing is asked over is kept so long. */
const IDLE_MS = 1_000
const HANDSHAKE_MS = 10_000
const ANSWER_MS = 10_000
/** Questions that are under way at once, and that wait for one of these to end. */
const MAX_ASKED = 8
const MAX_WAITING = 200
/** A relay that failed is left alone for so long, so that nothing waits for it each time. */
const REST_MS = 60_000

const NOTHING: Answer = Object.freeze({ events: [], invalid: 0, complete: false })

/** One relay that is connected to for a few questions, and hung up on after the last. Its methods never reject. */
export interface Errand {
  readonly url: string
  ask(filter: FilterJson, max: number): Promise<Answer>
  publish(event: NostrEvent): Promise<PublishOutcome>
  /** Why the last question came to nothing. */
  readonly error: string | undefined
  close(): Promise<void>
}

export function createErrand(
  url: string,
  options: Pick<DiscoveryOptions, 'clock' | 'timers' | 'random' | 'verifier' | 'dial' | 'authenticate' | 'onChange'>,
): Errand {
  const { clock, timers, verifier } = options
  let opening: Promise<Link | undefined> | undefined
  let hangUp: () => Promise<void> = async () => {}
  let users = 0
  const waiting: (() => void)[] = []
  let cancelIdle: Cancel = () => {}
  let restUntil = Number.NEGATIVE_INFINITY
  let error: string | undefined
  let closed = false

  function tell(now: string | undefined): void {
    if (now !== undefined) restUntil = clock.monotonic() + REST_MS
    if (now === error || closed) return
    error = now
    options.onChange()
  }

  function connected(): Promise<Link | undefined> {
    opening ??= new Promise(resolve => {
      const link = createLink({
        ...options,
        url,
        reconnect: false,
        onOpen() {
          cancel()
          resolve(link)
        },
        onDown: reason => end(reason),
      })
      const cancel = timers.after(HANDSHAKE_MS, () => end(`no handshake within ${HANDSHAKE_MS} ms`))
      const end = (reason?: string) => {
        cancel()
        opening = undefined
        if (reason !== undefined) tell(reason)
        resolve(undefined)
        return link.close()
      }
      hangUp = () => end()
    })
    return opening
  }

  async function use<T>(what: (link: Link) => Promise<T>): Promise<T | undefined> {
    if (closed || waiting.length >= MAX_WAITING || clock.monotonic() < restUntil) return undefined
    cancelIdle()
    // The place is handed on.
    if (users >= MAX_ASKED) await new Promise<void>(resolve => waiting.push(resolve))
    else users += 1
    try {
      const link = closed || clock.monotonic() < restUntil ? undefined : await connected()
      return link && (await what(link))
    } finally {
      const next = waiting.shift()
      if (next) next()
      else users -= 1
      if (users === 0 && opening) cancelIdle = timers.after(IDLE_MS, () => void hangUp(), { background: true })
    }
  }

  return {
    url,
    get error() {
      return error
    },
    async ask(filter, max) {
      const answer = await use(link => askLink(link, filter, { verifier, timers, timeoutMs: ANSWER_MS, max }))
      if (answer === undefined) return NOTHING
      if (answer.invalid > 0) tell('what it gave did not verify')
      else tell(answer.complete ? undefined : 'it gave no whole answer')
      return answer
    },
    async publish(event) {
      const outcome = (await use(link => link.publish(event, encodeEvent(event), ANSWER_MS))) ?? UNREACHED
      if (outcome.accepted === false) tell(`it did not take the relay list of this agent: ${outcome.message}`)
      return outcome
    },
    async close() {
      closed = true
      cancelIdle()
      for (const next of waiting.splice(0)) next()
      if (opening) await hangUp()
    },
  }
}
