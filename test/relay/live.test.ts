import fc from 'fast-check'
import { defaultLimits, type FilterJson, matchFilters, type NostrEvent, parseFilter } from 'posthorn/protocol'
import { createMemoryStore } from 'posthorn/relay'
import { expect, test } from 'vitest'
import { Follower, type Outlet } from '#dist/relay/follower.js'
import { LiveIndex } from '#dist/relay/live.js'
import { testSeed } from '../helpers/seed.ts'

const hex = (n: number) => n.toString(16).padStart(64, '0')
const some = <T>(value: fc.Arbitrary<T>) => fc.array(value, { maxLength: 3 })
const hexes = some(fc.nat(1).map(hex))
const words = some(fc.constantFrom('a', 'b', '', '__proto__'))
/** Few conditions each, so that many match. */
const filter = fc.oneof(
  fc.record({ ids: hexes }),
  fc.record({ authors: hexes, kinds: some(fc.nat(1)) }, { requiredKeys: ['authors'] }),
  fc.record({ kinds: some(fc.nat(1)) }),
  fc.record({ '#p': hexes, '#t': words }, { requiredKeys: ['#p'] }),
  fc.record({ '#t': words, '#T': words }, { requiredKeys: ['#t'] }),
  fc.record({ since: fc.nat(9) }),
)
const filters = fc.array(filter, { minLength: 1, maxLength: 3 })
const events = fc
  .record({
    id: fc.nat(1).map(hex),
    pubkey: fc.nat(1).map(hex),
    kind: fc.nat(1),
    created_at: fc.nat(9),
    tags: some(
      fc.tuple(fc.constantFrom('p', 't', 'T', 'tt'), fc.oneof(fc.nat(1).map(hex), fc.constantFrom('a', 'b', ''))),
    ),
  })
  .map((fields): NostrEvent => ({ ...fields, content: '', sig: '' }))
const steps = fc.array(
  fc.oneof(fc.record({ listen: filters }), fc.record({ leave: fc.nat(9) }), fc.record({ event: events })),
  { maxLength: 40 },
)

test('whoever a plain comparison finds is found, once, and nobody else', () => {
  fc.assert(
    fc.property(steps, steps => {
      const live = new LiveIndex()
      const store = createMemoryStore()
      let seq = 0
      let heard: string[] = []
      const outlet = (sub: string): Outlet => ({
        send: () => {},
        sendParts: () => heard.push(sub),
        sendRun: () => heard.push(sub),
        congested: false,
        inTurn: run => run(),
        closeSubscription: () => {},
      })
      const source = { store, head: { last: 0, epoch: '' }, now: () => 0, pendingEphemerals: 0 }
      let listening: Follower[] = []
      let count = 0
      for (const step of steps) {
        if ('listen' in step) {
          count += 1
          const parsed = step.listen.map(json => parseFilter(json as FilterJson, defaultLimits))
          const options = { sub: `${count}`, filters: parsed.flatMap(each => (each.ok ? [each.value] : [])) }
          const follower = new Follower(
            { ...options, keys: [], mode: 'plain', gone: false },
            outlet(`${count}`),
            source,
          )
          void follower.follow(0)
          live.add(follower)
          listening.push(follower)
        } else if ('leave' in step) {
          const left = listening[step.leave]
          if (left !== undefined) live.remove(left)
          listening = listening.filter(follower => follower !== left)
        } else {
          seq += 1
          heard = []
          const { event } = step
          const entry = { op: 'stored' as const, seq, address: undefined, event, json: '{}' }
          live.publish({ outcomes: [], entries: [entry], last: seq })
          const wanted = listening.filter(follower => matchFilters(follower.filters, event)).map(({ sub }) => sub)
          expect(heard.sort()).toEqual(wanted.sort())
          // An ephemeral event takes the same way.
          expect(
            live
              .listenersTo(event)
              .map(({ sub }) => sub)
              .sort(),
          ).toEqual(wanted)
        }
      }
      for (const follower of listening) live.remove(follower)
      expect(live.size).toBe(0)
    }),
    { seed: testSeed('live index'), numRuns: Number(process.env['ROUNDS'] ?? 300) },
  )
})
