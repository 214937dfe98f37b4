import { type Clock, seconds } from '../../platform/clock.ts'
import type { Cancel, Timers } from '../../platform/timers.ts'
import type { EventTemplate, NostrEvent } from '../../protocol/event.ts'
import { encode } from '../../protocol/frames.ts'
import { AUTH } from '../../protocol/kinds.ts'
import { parseReason } from '../../protocol/reasons.ts'

/** Signs an AUTH event (NIP-42) with the key of whoever connects. */
export type Authenticate = (template: EventTemplate) => NostrEvent | Promise<NostrEvent>

export interface AuthenticatorOptions {
  /** The address that was dialled: what is signed names it, never what a relay says of itself. */
  readonly url: string
  readonly clock: Clock
  readonly timers: Timers
  readonly authenticate: Authenticate
  send(frame: string): void
  /** The relay has accepted our key; told before whoever waits for it. */
  onAuthenticated(): void
}

/** One connection's proof of who we are, made afresh on each. */
export interface Authenticator {
  /** A new connection: nothing of the last one holds. Whoever waits is told no. */
  reset(): void
  /** The relay sent a challenge. False if it is not taken: too long, or one too many. */
  challenge(text: string): boolean
  /** Takes the relay's OK if it is about our AUTH. */
  onOk(id: string, accepted: boolean, message: string): boolean
  /** Resolves to whether the relay has accepted our key; answers its challenge first if that is still to be done. Never rejects. */
  prove(): Promise<boolean>
  /** A challenge is there that was not answered yet. */
  readonly isChallenged: boolean
  readonly isProving: boolean
  readonly isAuthenticated: boolean
  /** A refusal for want of AUTH, or a connection's end, with why ours failed if it did. */
  explain(message: string): string
}

/** Challenges taken on one connection: each costs a signature, and a relay has reason for one. */
const MAX_CHALLENGES = 3
const MAX_CHALLENGE_CHARS = 1_024
/** A relay that demands AUTH has sent its challenge before, or sends it at once. */
const CHALLENGE_WAIT_MS = 3_000
/** For the signature and the relay's OK. */
const OK_WAIT_MS = 10_000
const MAX_REFUSAL_CHARS = 200

interface Attempt {
  readonly promise: Promise<boolean>
  readonly end: (authenticated: boolean) => void
  /** Of the AUTH event under way. */
  id?: string
  cancel: Cancel
  /** Still waiting for a challenge to answer. */
  waiting: boolean
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { url, clock, timers } = options
  let latest: string | undefined
  /** The latest challenge, until it is answered. */
  let open: string | undefined
  let taken = 0
  let authenticated = false
  let refusal: string | undefined
  let attempt: Attempt | undefined

  function begin(): Promise<boolean> {
    let end: (authenticated: boolean) => void = () => {}
    const promise = new Promise<boolean>(resolve => {
      end = resolve
    })
    attempt = { promise, end, waiting: true, cancel: () => {} }
    if (open !== undefined) answer(attempt, open)
    else attempt.cancel = timers.after(CHALLENGE_WAIT_MS, () => fail('the relay sent no challenge'))
    return promise
  }

  function answer(current: Attempt, challenge: string): void {
    open = undefined
    current.waiting = false
    current.cancel()
    current.cancel = timers.after(OK_WAIT_MS, () => fail(`no OK to it within ${OK_WAIT_MS} ms`))
    const template: EventTemplate = {
      kind: AUTH,
      created_at: seconds(clock),
      tags: [
        ['relay', url],
        ['challenge', challenge],
      ],
      content: '',
    }
    new Promise<NostrEvent>(resolve => resolve(options.authenticate(template))).then(
      event => {
        if (attempt !== current) return
        current.id = event.id
        options.send(encode.auth(event))
      },
      error => {
        if (attempt === current) fail(error instanceof Error ? error.message : String(error))
      },
    )
  }

  function fail(why: string): void {
    refusal = why.slice(0, MAX_REFUSAL_CHARS)
    // Asked anew meanwhile: the old answer may have failed for that alone.
    if (attempt !== undefined && open !== undefined) answer(attempt, open)
    else settle(authenticated)
  }

  function settle(outcome: boolean): void {
    const ended = attempt
    attempt = undefined
    ended?.cancel()
    ended?.end(outcome)
  }

  return {
    reset() {
      latest = undefined
      open = undefined
      taken = 0
      authenticated = false
      refusal = undefined
      settle(false)
    },
    challenge(text) {
      if (text === latest) return true
      taken += 1
      if (taken > MAX_CHALLENGES || text.length > MAX_CHALLENGE_CHARS) return false
      latest = text
      open = text
      if (attempt?.waiting) answer(attempt, text)
      return true
    },
    onOk(id, accepted, message) {
      if (attempt?.id !== id) return false
      if (accepted) {
        authenticated = true
        refusal = undefined
        options.onAuthenticated()
        settle(true)
      } else fail(message)
      return true
    },
    prove() {
      if (attempt !== undefined) return attempt.promise
      if (open === undefined && (authenticated || refusal !== undefined)) return Promise.resolve(authenticated)
      return begin()
    },
    get isChallenged() {
      return open !== undefined
    },
    get isProving() {
      return attempt !== undefined
    },
    get isAuthenticated() {
      return authenticated
    },
    explain(message) {
      if (refusal === undefined) return message
      // Known, and not wanted: more than the want of a proof.
      if (parseReason(refusal).prefix === 'restricted') return refusal
      return message.includes(refusal) ? message : `${message} (AUTH failed: ${refusal})`
    },
  }
}
