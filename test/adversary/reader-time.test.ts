import { join } from 'node:path'
import { encode, type FilterJson, type NostrEvent } from 'posthorn/protocol'
import { createRelay, openSqliteStore } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { LogWriter } from '#dist/relay/log/sqlite/writer.js'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { NOW, unsigned } from '../relay/unsigned.ts'
import { connectRaw, type RawClient } from './raw-client.ts'
import { ATTACKER, alice, from, HOME, HONEST, mallory, note, publish } from './scene.ts'

const EVENTS = 20_000
/** Turns that may be served while a frame is on its way to and fro, of the thousands that each attack asks for. */
const FEW = 400
const WORDS = 'alpha beta gamma delta the agent relay mail state'
/** Events that have what the attacks below look for: words, tags, many authors and kinds. */
function fill(file: string): void {
  const writer = new LogWriter(file)
  for (let from = 0; from < EVENTS; from += 1_000) {
    const events: NostrEvent[] = Array.from({ length: 1_000 }, (_, n) => {
      const tags = ['a', 'b', 'c'].map(name => [name, String((from + n) % 300)])
      const pubkey = (((from + n) % 500) + 1).toString(16).padStart(64, '0')
      return unsigned({
        kind: 1 + (n % 3),
        pubkey,
        tags,
        created_at: 1_000 + from + n,
        content: `${WORDS} ${from + n}`,
      })
    })
    writer.append(events, NOW * 1000)
  }
  while (writer.searchable < writer.last) writer.indexSearch(1_000)
  writer.close()
}

async function scene() {
  const data = tempDir()
  fill(join(data, 'log.db'))
  const store = await openSqliteStore(data)
  const slow: { peer: string; readerMs: number }[] = []
  const relay = await createRelay({
    store,
    verifier: await sharedVerifier(),
    publicUrls: [HOME],
    trustedProxies: ['loopback'],
    limits: { requestBurst: 10_000 },
    slowQueryMs: 0,
    onSlowQuery: query => slow.push(query),
  })
  onTestFinished(() => relay.close())
  const url = await relay.listen({ port: 0 })
  const turns = () => store.readerTurns?.counts.get('address')?.turns ?? 0
  return { url, store, relay, turns, slow }
}

const values = (count: number, first = 0) => Array.from({ length: count }, (_, n) => String(first + n))
const authors = values(140, 1).map(n => Number(n).toString(16).padStart(64, '0'))
const search: FilterJson = { search: 'the agent relay mail' }
const ATTACKS: Readonly<Record<string, (n: number) => string>> = {
  search: n => encode.req(`s${n % 30}`, ...new Array<FilterJson>(10).fill(search)),
  'search with tags': n =>
    encode.req(`s${n % 30}`, ...new Array<FilterJson>(10).fill({ ...search, '#a': values(500) })),
  'COUNT of words': n => encode.countReq(`c${n}`, search, search),
  'COUNT of tags': n => encode.countReq(`c${n}`, { '#a': values(500), '#b': values(500), '#c': values(500) }),
  'COUNT of authors and kinds': n =>
    encode.countReq(`c${n}`, ...new Array<FilterJson>(10).fill({ authors, kinds: values(300).map(Number) })),
  'wide filters': n =>
    encode.req(`w${n % 30}`, ...new Array<FilterJson>(10).fill({ authors, kinds: values(8).map(Number), limit: 500 })),
  reconciliation: n => encode.negOpen(`n${n % 8}`, search, `61000001${'00'.repeat(16)}`),
}

/** The honest side's question and event; resolves to what the attacker was answered meanwhile, in turns of the reader. */
async function served(reader: RawClient, author: RawClient, turns: () => number): Promise<number> {
  const before = turns()
  const id = `calm ${before}`
  reader.send(encode.req(id, { authors: [alice.pubkey], limit: 1 }))
  for (;;) if ((await reader.next('EOSE'))[1] === id) break
  const between = turns() - before
  reader.send(encode.close(id))
  expect((await publish(author, note()))[0]).toBe(true)
  return between
}

test.each(Object.entries(ATTACKS))(
  '%s: others are answered in between, and what is left unread is not worked out',
  async (_, attack) => {
    const { url, store, relay, turns, slow } = await scene()
    const reader = await connectRaw(url, from(HONEST))
    const author = await connectRaw(url, from(HONEST))
    await served(reader, author, turns)
    const attackers = await Promise.all(Array.from({ length: 3 }, () => connectRaw(url, from(ATTACKER))))
    for (let n = 0; n < 60; n += 1) for (const attacker of attackers) attacker.send(attack(n))
    const waits: number[] = []
    for (let n = 0; n < 5; n += 1) waits.push(await served(reader, author, turns))
    expect(Math.max(...waits)).toBeLessThanOrEqual(FEW)
    for (const attacker of attackers) attacker.destroy()
    await expect.poll(() => relay.load.connections).toBe(2)
    // What is with the reader ends; nothing else is begun.
    const left = turns()
    await expect.poll(() => store.readerTurns?.waiting).toBe(0)
    expect(turns() - left).toBeLessThanOrEqual(3)
    // One question may take less than the log's whole millisecond.
    expect(slow.some(({ peer }) => peer === 'address')).toBe(true)
    expect(store.readerTurns?.counts.get('address')?.ms).toBeGreaterThan(0)
  },
)

test('publishing does not wait behind questions: it is asked of another thread', async () => {
  const { url, turns } = await scene()
  const attacker = await connectRaw(url, from(ATTACKER))
  const author = await connectRaw(url, from(HONEST))
  expect((await attacker.authenticate(mallory, HOME))[2]).toBe(true)
  for (let n = 0; n < 60; n += 1) attacker.send(ATTACKS['search']?.(n) ?? '')
  const before = turns()
  for (let n = 0; n < 5; n += 1) expect((await publish(author, note()))[0]).toBe(true)
  expect(turns()).toBe(before)
  attacker.destroy()
})
