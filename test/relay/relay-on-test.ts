import { setTimeout as delay } from 'node:timers/promises'
import { createRelay, type Relay, type RelayOptions } from 'posthorn/relay'
import { onTestFinished } from 'vitest'
import type { Clock } from '#dist/platform/clock.js'
import type { Cancel, Timers } from '#dist/platform/timers.js'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { connect, type Wire, type WireOptions } from './wire.ts'

/** Time that moves only when told to. Wall and monotonic clock can be set apart, as a suspended machine does. */
export interface ManualTime {
  readonly clock: Clock
  readonly timers: Timers
  /** Runs what falls due, in order; sockets get a turn every 10 s of it, or the relay's pings would go unanswered. */
  advance(ms: number): Promise<void>
  /** Moves the wall clock alone. */
  jump(ms: number): void
}

export function manualTime(): ManualTime {
  let monotonic = 0
  let wall = Date.now()
  const pending = new Set<{ due: number; run: () => void }>()
  const step = (ms: number) => {
    const end = monotonic + ms
    for (;;) {
      const [timer] = [...pending].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)
      if (timer === undefined) break
      pending.delete(timer)
      wall += timer.due - monotonic
      monotonic = timer.due
      timer.run()
    }
    wall += end - monotonic
    monotonic = end
  }
  return {
    clock: { now: () => wall, monotonic: () => monotonic },
    timers: {
      after(ms, run): Cancel {
        const timer = { due: monotonic + ms, run }
        pending.add(timer)
        return () => pending.delete(timer)
      },
    },
    async advance(ms) {
      for (let left = ms; left > 0; left -= 10_000) {
        step(Math.min(left, 10_000))
        await delay(10)
      }
    },
    jump(ms) {
      wall += ms
    },
  }
}

export interface TestRelay {
  readonly relay: Relay
  readonly url: string
  connect(options?: WireOptions): Promise<Wire>
}

/** The real relay on a free port, stopped after the running test. An error that an operator would see fails the test. */
export async function startRelay(options: RelayOptions = {}): Promise<TestRelay> {
  const errors: unknown[] = []
  const relay = await createRelay({
    onError: (where, error) => errors.push(`${where}: ${error}`),
    verifier: await sharedVerifier(),
    ...options,
  })
  const url = await relay.listen({ port: 0 })
  onTestFinished(async () => {
    await relay.close()
    if (errors.length > 0) throw new Error(`the relay reported ${errors.join(', ')}`)
  })
  return { relay, url, connect: options => connect(url, options) }
}
