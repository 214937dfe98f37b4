import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { seconds, systemClock } from '#dist/platform/clock.js'
import { every, sleep, systemTimers, type Timers } from '#dist/platform/timers.js'

/** Timers moved by hand. */
function handTimers(): Timers & { advance(ms: number): void; readonly pending: number } {
  let now = 0
  let queue: { at: number; run: () => void }[] = []
  return {
    after(ms, run) {
      const entry = { at: now + ms, run }
      queue.push(entry)
      return () => {
        queue = queue.filter(other => other !== entry)
      }
    },
    advance(ms) {
      const end = now + ms
      for (;;) {
        const [first] = queue.filter(entry => entry.at <= end).sort((a, b) => a.at - b.at)
        if (first === undefined) break
        now = first.at
        queue = queue.filter(other => other !== first)
        first.run()
      }
      now = end
    },
    get pending() {
      return queue.length
    },
  }
}

describe('sleep', () => {
  test('resolves after its time, not before', async () => {
    const timers = handTimers()
    let done = false
    const sleeping = sleep(timers, 100).then(() => {
      done = true
    })
    timers.advance(99)
    await Promise.resolve()
    expect(done).toBe(false)
    timers.advance(1)
    await sleeping
    expect(done).toBe(true)
  })

  test('an abort resolves it at once and leaves no timer and no listener', async () => {
    const timers = handTimers()
    const controller = new AbortController()
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    const sleeping = sleep(timers, 100, controller.signal)
    controller.abort()
    await sleeping
    expect(timers.pending).toBe(0)
    expect(removed).toHaveBeenCalledOnce()
  })

  test('with an aborted signal it never starts', async () => {
    const timers = handTimers()
    await sleep(timers, 100, AbortSignal.abort())
    expect(timers.pending).toBe(0)
  })

  test('a finished sleep lets go of its signal', async () => {
    const timers = handTimers()
    const controller = new AbortController()
    const removed = vi.spyOn(controller.signal, 'removeEventListener')
    const sleeping = sleep(timers, 100, controller.signal)
    timers.advance(100)
    await sleeping
    expect(removed).toHaveBeenCalledOnce()
  })
})

describe('every', () => {
  test('runs each period until cancelled', () => {
    const timers = handTimers()
    const run = vi.fn()
    const cancel = every(timers, 10, run)
    timers.advance(9)
    expect(run).toHaveBeenCalledTimes(0)
    timers.advance(21)
    expect(run).toHaveBeenCalledTimes(3)
    cancel()
    cancel()
    timers.advance(100)
    expect(run).toHaveBeenCalledTimes(3)
    expect(timers.pending).toBe(0)
  })

  test('may be cancelled from inside, and survives a run that throws', () => {
    const timers = handTimers()
    let runs = 0
    const cancel = every(timers, 10, () => {
      runs += 1
      if (runs === 2) cancel()
    })
    timers.advance(100)
    expect(runs).toBe(2)

    let throwing = 0
    every(timers, 10, () => {
      throwing += 1
      throw new Error('boom')
    })
    expect(() => timers.advance(10)).toThrow('boom')
    expect(() => timers.advance(10)).toThrow('boom')
    expect(throwing).toBe(2)
  })
})

describe('systemTimers', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('fires once, and not after its cancel', () => {
    const run = vi.fn()
    systemTimers.after(10, run)
    const cancelled = vi.fn()
    const cancel = systemTimers.after(10, cancelled)
    cancel()
    cancel()
    vi.advanceTimersByTime(100)
    expect(run).toHaveBeenCalledOnce()
    expect(cancelled).not.toHaveBeenCalled()
  })

  test('a delay longer than setTimeout can hold still waits its time', () => {
    const days = 24 * 60 * 60 * 1000
    const run = vi.fn()
    systemTimers.after(60 * days, run)
    const cancelled = vi.fn()
    const cancel = systemTimers.after(60 * days, cancelled, { background: true })
    vi.advanceTimersByTime(30 * days)
    expect(run).not.toHaveBeenCalled()
    cancel()
    vi.advanceTimersByTime(30 * days - 1)
    expect(run).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(run).toHaveBeenCalledOnce()
    expect(cancelled).not.toHaveBeenCalled()
  })
})

describe('clock', () => {
  test('seconds are whole and round down', () => {
    expect(seconds({ now: () => 1_999, monotonic: () => 0 })).toBe(1)
    expect(seconds({ now: () => 2_000, monotonic: () => 0 })).toBe(2)
  })

  test('the monotonic one never goes back', () => {
    const readings = Array.from({ length: 100 }, () => systemClock.monotonic())
    expect([...readings].sort((a, b) => a - b)).toEqual(readings)
    expect(systemClock.now()).toBeGreaterThan(Date.UTC(2024))
  })
})
