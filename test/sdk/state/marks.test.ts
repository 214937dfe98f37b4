import { describe, expect, test } from 'vitest'
import { createMarks, KEPT_SESSIONS, type MarkRow, type Numbered } from '#dist/sdk/state/log/marks.js'

// Which numbers of whom were taken, and what proves that two events share one: the judge alone, without a log around it.
const author = 'a'.repeat(64)
const session = '0000000000000001'
const idOf = (n: number, which = '') => `${n}${which}`.padStart(16, '0')
const event = (n: number, more: Partial<Numbered> = {}): Numbered => ({
  author,
  session,
  n,
  id: idOf(n),
  ...(n > 1 ? { previous: idOf(n - 1) } : {}),
  ...more,
})
const marksWith = (...taken: Numbered[]) => {
  const marks = createMarks(new Map<string, MarkRow>())
  for (const each of taken) marks.take(each)
  return marks
}

describe('forks are found from whichever side comes first', () => {
  test('in order', () => {
    const marks = marksWith(event(1), event(2))
    expect(marks.judge(event(2))).toBe('known')
    expect(marks.judge(event(2, { id: idOf(2, 'b') }))).toBe('two-events')
    expect(marks.judge(event(3))).toBe('new')
    expect(marks.judge(event(3, { previous: idOf(2, 'b') }))).toBe('chain')
  })

  test('the later one first', () => {
    const marks = marksWith(event(3))
    expect(marks.judge(event(2))).toBe('new')
    expect(marks.judge(event(2, { id: idOf(2, 'b') }))).toBe('chain')
    expect(marks.judge(event(1, { id: idOf(1, 'b') }))).toBe('new')
    expect(marks.gaps(9)).toEqual([
      { author, session, n: 1 },
      { author, session, n: 2 },
    ])
  })

  test('from a snapshot, whose cover names another id', () => {
    const marks = marksWith(event(1), event(2))
    const cover = (id: string) => new Map([[author, new Map([[session, { n: 2, id }]])]])
    expect(marks.cover(cover(idOf(2)))).toEqual([])
    expect(marks.cover(cover(idOf(2, 'b')))).toEqual([{ author, session, n: 2 }])
  })
})

test('nothing of a frozen session counts from there on, what was before does', () => {
  const marks = marksWith(event(1), event(2), event(3))
  marks.freeze(event(2))
  expect([1, 2, 3, 4].map(n => marks.judge(event(n)))).toEqual(['known', 'frozen', 'frozen', 'frozen'])
  marks.freeze(event(3))
  expect(marks.judge(event(2))).toBe('frozen')
})

test('so many sessions of an author are told apart; what comes under an older one is over', () => {
  const named = (n: number) => n.toString(16).padStart(16, '0')
  const marks = marksWith(...Array.from({ length: KEPT_SESSIONS }, (_, n) => event(1, { session: named(n + 10) })))
  expect(marks.sessions(author)).toHaveLength(KEPT_SESSIONS)
  expect(marks.judge(event(1, { session: named(9) }))).toBe('known')
  expect(marks.judge(event(2, { session: named(10) }))).toBe('new')
  marks.take(event(1, { session: named(99) }))
  expect(marks.judge(event(2, { session: named(10) }))).toBe('known')
  expect(marks.judge(event(2, { session: named(11) }))).toBe('new')
})
