import { encode, type NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { corrupt, notes, nowSeconds } from '../helpers/events.ts'
import { handClock } from '../helpers/hand-clock.ts'
import { connectRaw, type RawClient } from './raw-client.ts'
import { ATTACKER, from, HONEST, honestTraffic, mallory, note, publicRelay, publish, victim } from './scene.ts'

/** Reasons of the refusals, counted by their first word or two. */
async function refusals(client: RawClient, frames: readonly string[]): Promise<Record<string, number>> {
  for (const frame of frames) client.send(frame)
  const seen: Record<string, number> = {}
  for (let n = 0; n < frames.length; n += 1) {
    const [, , , message] = await client.next('OK')
    const word = String(message).split(/[,;(]/)[0] ?? ''
    seen[word] = (seen[word] ?? 0) + 1
  }
  return seen
}
const many = (count: number, make: (n: number) => string) => Array.from({ length: count }, (_, n) => make(n))
const BURST = 20
const OVER = 'rate-limited: too many events'

const old = (n: number): NostrEvent => ({ ...note(mallory), created_at: n })
const REFUSED: Readonly<Record<string, (n: number) => string>> = {
  'dated 1970': n => encode.publish(old(n)),
  'dated in the future': n => encode.publish({ ...note(mallory), created_at: nowSeconds() + 100_000 + n }),
  forged: n => encode.publish(corrupt(notes(victim, 1)[0] ?? note(), 'sig', n)),
  'too many tags': n => encode.publish({ ...note(mallory), tags: Array.from({ length: 300 }, () => ['t', String(n)]) }),
  malformed: n => `["EVENT",{"id":"${n.toString(16).padStart(64, '0')}","kind":"one"}]`,
  'an AUTH published': n => encode.publish({ ...note(mallory), kind: 22_242, content: String(n) }),
  'with an expiration that is none': n => encode.publish({ ...note(mallory), tags: [['expiration', `soon ${n}`]] }),
}

test.each(Object.entries(REFUSED))('events %s are charged before they are looked at; others go on', async (_, make) => {
  const limits = { eventBurst: BURST, invalidSignatures: 1_000, malformedFrames: 1_000 }
  await using relay = await publicRelay({ clock: handClock(), limits })
  const check = await honestTraffic(relay)
  const client = await connectRaw(relay.url, from(ATTACKER))
  const seen = await refusals(client, many(BURST * 3, make))
  expect(seen[OVER]).toBe(BURST * 2)
  expect(await publish(client, note(mallory))).toEqual([false, expect.stringMatching(/^rate-limited: /)])
  await check()
})

test('an address whose frames cost more than they may is read more slowly, and others at once', async () => {
  // 64 KiB at once, then 6 MB a minute.
  const limits = { inboundBytesBurst: 65_536, inboundBytesPerMinute: 6_000_000, eventBurst: 10_000 }
  await using relay = await publicRelay({ limits })
  const check = await honestTraffic(relay)
  const client = await connectRaw(relay.url, from(ATTACKER))
  const big = 'x'.repeat(30_000)
  let answered = 0
  const all = (async () => {
    for (; answered < 40; answered += 1) await client.next('OK')
  })().catch(() => {})
  for (let n = 0; n < 40; n += 1) client.send(encode.publish({ ...note(mallory), created_at: n, content: big }))
  await expect.poll(() => answered, { interval: 5 }).toBeGreaterThan(0)
  await check()
  // A million bytes at a tenth of that per second: far from done while others are served.
  expect(answered).toBeLessThan(40)
  client.destroy()
  await all
})

test('bytes have a rate, however few events they are; an address with many keys has four times as much', async () => {
  const limits = { eventBytesBurst: 100_000, eventBytesPerMinute: 60 }
  await using relay = await publicRelay({ clock: handClock(), limits })
  const check = await honestTraffic(relay)
  let stored = 0
  for (let key = 0; key < 3; key += 1) {
    const client = await connectRaw(relay.url, from(ATTACKER))
    for (let n = 0; n < 12; n += 1) {
      const [accepted, message] = await publish(
        client,
        mallory.sign({ created_at: nowSeconds(), content: `${key} ${n}`.padEnd(20_000, 'x') }),
      )
      if (accepted === true) stored += 1
      else expect(message).toMatch(/^rate-limited: too many bytes of events/)
    }
  }
  expect(stored).toBe(4)
  const honest = await connectRaw(relay.url, from(HONEST))
  expect((await publish(honest, note(mallory)))[0]).toBe(true)
  await check()
})
