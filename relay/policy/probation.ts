import type { Cancel, Timers } from '../../platform/timers.ts'
import type { Limits } from '../../protocol/limits.ts'

export interface ProbationOptions {
  readonly limits: Limits
  readonly timers: Timers
  /** Nothing but AUTH ends it. Otherwise a first frame that can be read does. */
  readonly authRequired: boolean
  /** Ends the connection and says why. */
  readonly fail: (why: string) => void
}

/**
 * The time between the upgrade and the first sign of a client worth keeping. Its deadline is set once: bytes that come in do
 * not move it, so a trickle holds a socket no longer than silence does.
 */
export class Probation {
  readonly #options: ProbationOptions
  readonly #cancel: Cancel
  #messages = 0
  #bytes = 0
  #over = false

  constructor(options: ProbationOptions) {
    this.#options = options
    const awaited = options.authRequired ? 'AUTH' : 'valid frame'
    this.#cancel = options.timers.after(
      options.limits.preAuthMs,
      () => this.#fail(`no ${awaited} within ${options.limits.preAuthMs} ms`),
      { background: true },
    )
  }

  /** A message came in, read or not. */
  onMessage(bytes: number): void {
    if (this.#over || !this.#options.authRequired) return
    const { preAuthMessages, preAuthBytes } = this.#options.limits
    this.#messages += 1
    this.#bytes += bytes
    if (this.#messages > preAuthMessages) this.#fail(`more than ${preAuthMessages} messages before AUTH`)
    else if (this.#bytes > preAuthBytes) this.#fail(`more than ${preAuthBytes} bytes before AUTH`)
  }

  /** A message could be read as a frame. True if that ends it. */
  onFrame(): boolean {
    if (!this.#options.authRequired) this.end()
    return this.#over
  }

  /** Passed, or no longer of interest. */
  end(): void {
    this.#over = true
    this.#cancel()
  }

  #fail(why: string): void {
    if (this.#over) return
    this.end()
    this.#options.fail(why)
  }
}
