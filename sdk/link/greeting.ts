import type { Cancel, Timers } from '../../platform/timers.ts'
import type { Authenticator } from './authenticator.ts'

export interface GreetingOptions {
  readonly timers: Timers
  /** To be introduced to a relay that asks who we are. Undefined: what is to be done begins at once. */
  readonly auth: Authenticator | undefined
  /** What is to be done on this connection begins, or begins again after `onPause`. */
  onStart(): void
  onPause(): void
}

/**
 * When work on a connection begins: once the relay knows our key, if it asks, so that no position told to a stranger is mixed
 * with one told to us. A relay that asks later makes it begin anew.
 */
export interface Greeting {
  /** The socket is open. */
  open(): void
  challenged(): void
  authenticated(): void
  end(): void
  readonly isStarted: boolean
  readonly isConnected: boolean
}

/** The challenge is sent on connecting: so long (ms) after the handshake it is waited for, and then for the OK to our AUTH. */
const CHALLENGE_MS = 150
const INTRODUCTION_MS = 3_000

export function createGreeting({ timers, auth, onStart, onPause }: GreetingOptions): Greeting {
  let isConnected = false
  let isStarted = false
  let waiting = false
  let cancel: Cancel = () => {}

  function start(): void {
    cancel()
    waiting = false
    isStarted = true
    onStart()
  }

  function introduce(known: Authenticator): void {
    cancel()
    waiting = true
    if (isStarted) onPause()
    cancel = timers.after(INTRODUCTION_MS, start)
    known.prove().then(authenticated => {
      if (waiting && !authenticated) start()
    })
  }

  return {
    open() {
      isConnected = true
      if (auth === undefined) start()
      else if (auth.isChallenged) introduce(auth)
      else cancel = timers.after(CHALLENGE_MS, start)
    },
    challenged() {
      if (isConnected && auth?.isChallenged && !auth.isProving && !auth.isAuthenticated) introduce(auth)
    },
    authenticated() {
      if (!isConnected || auth === undefined) return
      if (isStarted && !waiting) onPause()
      start()
    },
    end() {
      cancel()
      waiting = false
      isConnected = false
      isStarted = false
    },
    get isStarted() {
      return isStarted
    },
    get isConnected() {
      return isConnected
    },
  }
}
