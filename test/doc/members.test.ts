import { describe, expect, test } from 'vitest'
import { foldChain } from '#dist/sdk/doc/members/chain.js'
import type { Control } from '#dist/sdk/doc/members/control.js'
import type { Role } from '#dist/sdk/doc/members/roles.js'
import { testSeed } from '../helpers/seed.ts'
import { dice } from '../relay/dice.ts'

// Who is a member: the chain of control events, by its rules alone. Ids are words here; signatures are checked before.
const OWNER = 'owner'
const seed = testSeed('members')
const list = (members: Readonly<Record<string, Role>>) =>
  Object.entries(members).map(([pubkey, role]) => ({ pubkey, role, wrap: 'sealed' }))

const FIRST: Control = {
  id: 'a-first',
  author: OWNER,
  at: 1,
  o: 'o',
  n: 0,
  generation: 0,
  commitment: 'key-0',
  members: list({ owner: 'admin' }),
}
const STAFF = { owner: 'admin', ada: 'admin', ben: 'admin', cem: 'write' } as const
const STAFFED: Control = { ...FIRST, id: 'b-staffed', n: 1, previous: FIRST.id, members: list(STAFF) }

/** What comes behind {@link STAFFED}, in the same generation. */
const next = (id: string, author: string, more: Partial<Control>): Control => ({
  ...STAFFED,
  id,
  author,
  n: 2,
  previous: STAFFED.id,
  ...more,
})
const anew = { generation: 1, commitment: 'key-1', base: 'state' } as const

const countsOf = (...events: Control[]) => foldChain(events, 'o', OWNER).controls.map(({ id }) => id)
const behind = (...events: Control[]) => countsOf(FIRST, STAFFED, ...events).slice(2)

describe('what counts', () => {
  const { cem: _, ...withoutCem } = STAFF
  const { ada: __, ...withoutAda } = STAFF
  test.each<[string, Control]>([
    ['an admin lets somebody in', next('x', 'ben', { members: list({ ...STAFF, dia: 'read' }) })],
    ['an admin gives somebody more', next('x', 'ada', { members: list({ ...STAFF, cem: 'snapshot' }) })],
    ['a removal with a new generation', next('x', 'ben', { ...anew, members: list(withoutCem) })],
    ['an admin removes a more senior one', next('x', 'ben', { ...anew, members: list(withoutAda) })],
    [
      'less for somebody with a new generation',
      next('x', 'ben', { ...anew, members: list({ ...STAFF, cem: 'read' }) }),
    ],
  ])('%s', (_name, event) => {
    expect(behind(event)).toEqual(['x'])
  })
})

describe('what does not', () => {
  const { cem: _, ...withoutCem } = STAFF
  const { owner: __, ...withoutOwner } = STAFF
  test.each<[string, Control]>([
    ['by a member that is no admin', next('x', 'cem', { members: list({ ...STAFF, dia: 'read' }) })],
    ['by a stranger', next('x', 'dia', { members: list({ ...STAFF, dia: 'admin' }) })],
    ['a removal in the same generation', next('x', 'ada', { members: list(withoutCem) })],
    ['less for somebody in the same generation', next('x', 'ada', { members: list({ ...STAFF, cem: 'read' }) })],
    ['the owner removed', next('x', 'ada', { ...anew, members: list(withoutOwner) })],
    ['the owner no admin any more', next('x', 'ada', { ...anew, members: list({ ...STAFF, owner: 'write' }) })],
    ['a new generation under the old key', next('x', 'ada', { ...anew, commitment: 'key-0' })],
    [
      'a new generation for everybody to read',
      next('x', 'ada', { generation: 1, base: 'state', commitment: undefined } as never),
    ],
    ['a new generation without a state', next('x', 'ada', { generation: 1, commitment: 'key-1' })],
    ['two generations at once', next('x', 'ada', { ...anew, generation: 2 })],
    ['another key in the same generation', next('x', 'ada', { commitment: 'key-1' })],
    ['another state in the same generation', next('x', 'ada', { base: 'state' })],
    ['a number left out', next('x', 'ada', { n: 3 })],
    ['of another document', next('x', 'ada', { o: 'p' })],
    // Rank decides between two admins: whoever gives itself a higher one could undo its own removal.
    [
      'an admin before the owner',
      next('x', 'ben', { members: list({ ben: 'admin', owner: 'admin', ada: 'admin', cem: 'write' }) }),
    ],
    [
      'two admins in another order',
      next('x', 'ben', { ...anew, members: list({ owner: 'admin', ben: 'admin', ada: 'admin', cem: 'write' }) }),
    ],
    [
      'somebody new before others',
      next('x', 'ben', { members: list({ owner: 'admin', dia: 'admin', ada: 'admin', ben: 'admin', cem: 'write' }) }),
    ],
  ])('%s', (_name, event) => {
    expect(behind(event)).toEqual([])
  })

  test('a first event by somebody else, or without its author in first place', () => {
    expect(countsOf({ ...FIRST, author: 'ada' })).toEqual([])
    expect(countsOf({ ...FIRST, members: list({ ada: 'admin', owner: 'admin' }) })).toEqual([])
    expect(countsOf({ ...FIRST, members: list({ owner: 'write' }) })).toEqual([])
    expect(countsOf({ ...FIRST, base: 'state' })).toEqual([])
    expect(countsOf(FIRST)).toEqual(['a-first'])
  })
})

describe(`two at the same place (${seed})`, () => {
  const { ben: _, ...withoutBen } = STAFF
  const removal = next('z-removal', 'ada', { ...anew, members: list(withoutBen) })
  const defence = next('c-defence', 'ben', { members: list({ ...STAFF, dia: 'admin' }) })
  const after = { ...defence, id: 'd-after', author: 'dia', n: 3, previous: defence.id }

  test('the more senior admin’s counts, in whatever order they come, and what the other’s leads to does not', () => {
    const random = dice(seed)
    const events = [FIRST, STAFFED, removal, defence, after]
    for (let round = 0; round < 50; round += 1) {
      const shuffled = events.map(event => ({ event, at: random.below(1_000_000) })).sort((a, b) => a.at - b.at)
      expect(countsOf(...shuffled.map(({ event }) => event))).toEqual(['a-first', 'b-staffed', 'z-removal'])
    }
  })

  test('of one admin’s two the lower id counts, and both are shown', () => {
    const other = { ...removal, id: 'y-other' }
    const { controls, forks } = foldChain([FIRST, STAFFED, removal, other, defence], 'o', OWNER)
    expect(controls.at(-1)?.id).toBe('y-other')
    expect(forks).toEqual([{ author: 'ada', ids: ['y-other', 'z-removal'] }])
  })
})
