import { expect, test } from 'vitest'
import { followCatchUp, startProgress } from '#dist/cli/progress.js'
import { handClock } from '../helpers/hand-clock.ts'
import { manualTime } from '../relay/relay-on-test.ts'
import { collector } from './posthorn.ts'

const CLEAR = '\r\u001b[2K'

function terminal({ isTTY = true, quiet = false, columns = 60 } = {}) {
  const clock = handClock()
  const { stream, text } = collector()
  const stderr = Object.assign(stream, { isTTY, columns })
  const shown = () => text().split(CLEAR).slice(1)
  return { clock, shown, text, context: { stderr, clock, options: { quiet } } }
}

test('one line, written over, with counts and rate; nothing in the first second; gone at the end', () => {
  const { clock, shown, text, context } = terminal()
  const progress = startProgress(context)
  progress.at('checking', 0, 10_000)
  clock.advance(999)
  progress.at('checking', 500, 10_000)
  expect(text()).toBe('')
  clock.advance(1)
  progress.at('checking', 3_200, 10_000)
  clock.advance(249)
  progress.at('checking', 3_300, 10_000)
  expect(shown()).toEqual(['checking: 3200 of 10000 (32 %), 3200/s'])
  clock.advance(751)
  progress.at('checking', 9_999, 10_000)
  expect(shown().at(-1)).toBe('checking: 9999 of 10000 (99 %), 5000/s')
  progress.end()
  progress.end()
  expect(shown().slice(2)).toEqual([''])
  expect(text()).not.toContain('\n')
})

test('another stretch has a rate of its own; a total that is not known or nothing is no trouble', () => {
  const { clock, shown, context } = terminal()
  const progress = startProgress(context)
  progress.at('comparing', 0)
  clock.advance(2_000)
  progress.at('comparing', 100)
  clock.advance(2_000)
  progress.at('copying', 0, 0)
  clock.advance(1_000)
  progress.at('copying', 7, 10)
  expect(shown()).toEqual(['comparing: 100, 50/s', 'copying: 0 of 0 (0 %)', 'copying: 7 of 10 (70 %), 7/s'])
})

test('what has no count is told by its seconds; a terminal that says it has no columns has eighty', () => {
  const { clock, shown, context } = terminal({ columns: 0 })
  const progress = startProgress(context)
  progress.busy('checking')
  clock.advance(2_500)
  progress.busy('checking')
  expect(shown()).toEqual(['checking, 2 s'])
})

test('what was over within a second leaves no trace; neither does a pipe, nor --quiet', () => {
  for (const where of [terminal(), terminal({ isTTY: false }), terminal({ quiet: true })]) {
    const progress = startProgress(where.context)
    progress.at('checking', 1)
    if (where.context.stderr.isTTY && !where.context.options.quiet) where.clock.advance(900)
    else where.clock.advance(5_000)
    progress.at('checking', 2)
    progress.end()
    expect(where.text()).toBe('')
  }
})

test('others’ words in it are inert and stay on the line', () => {
  const { clock, shown, context } = terminal({ columns: 20 })
  const progress = startProgress(context)
  clock.advance(1_000)
  progress.at('to wss://evil\u001b[2J\n.example', 1)
  expect(shown().join('')).not.toContain('\u001b[2J')
  expect([...(shown()[0] ?? '')].length).toBeLessThan(20)
})

test('a catch-up is followed over all relays that are busy, until its end', async () => {
  const time = manualTime()
  const { shown, context } = terminal()
  const relay = { url: 'wss://one', state: 'catching-up' as const, mayMiss: false }
  let received = 0
  const relays = () => [
    { ...relay, received, expected: 1_000 },
    { ...relay, received, expected: 3_000 },
    { ...relay, state: 'live' as const, received: 5_000 },
    { ...relay, received: 1, error: 'restricted: not you' },
  ]
  const agent = {
    status: () => ({
      relays: relays(),
      queue: 0,
      unread: 0,
      undelivered: 0,
      failed: 0,
      unknownSenders: 0,
      state: { unwritten: 0, unacknowledged: 0 },
    }),
  }
  const progress = followCatchUp(agent, { ...context, clock: time.clock, timers: time.timers })
  await time.advance(750)
  expect(shown()).toEqual([])
  received = 500
  await time.advance(250)
  expect(shown()).toEqual(['catching up: 1000 of 4000 (25 %), 1333/s'])
  progress.end()
  const before = shown().length
  await time.advance(5_000)
  expect(shown()).toHaveLength(before)
})
