import { join } from 'node:path'
import type { FilterJson, NostrEvent } from 'posthorn/protocol'
import type { LogRequest } from 'posthorn/relay'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { packBatch, unpackBatch } from '#dist/relay/log/packed-page.js'
import { LogReader } from '#dist/relay/log/sqlite/reader.js'
import { LogWriter } from '#dist/relay/log/sqlite/writer.js'
import { testSeed } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { dice } from './dice.ts'
import { ALICE, BOB, logRequest, NOW, unsigned } from './unsigned.ts'

/** None is ever complete: every row is read for itself. */
const NO_SEGMENTS = { seqs: 1_000_000 }
const STEPS = 80

let file: string
let writer: LogWriter
beforeEach(() => {
  file = join(tempDir(), 'log.db')
  writer = new LogWriter(file)
  onTestFinished(() => writer.close())
})
function open(segments: { readonly seqs?: number; readonly keptBytes?: number }): LogReader {
  const reader = new LogReader(file, { segments })
  onTestFinished(() => reader.close())
  return reader
}
/** As it comes out at the other end of the thread. */
function read(reader: LogReader, request: LogRequest) {
  const { entries, upTo, last, floor } = unpackBatch(structuredClone(packBatch(reader.readLog(request))))
  const rows = entries.map(row => (row.op === 'stored' ? [row.seq, row.json] : [row.seq, row.op, row.target]))
  return { rows, upTo, last, floor }
}
const add = (...events: readonly NostrEvent[]) => writer.append(events, NOW * 1000)
const seqsOf = (reader: LogReader, after = 0) => read(reader, logRequest([{}], after)).rows.map(([seq]) => seq)

test('what is read in segments is what is read row by row, whatever comes and goes', () => {
  const random = dice(testSeed('segments'))
  const readers = [open({ seqs: 7 }), open({ seqs: 16, keptBytes: 6_000 }), open({ seqs: 16, keptBytes: 0 })]
  const plain = open(NO_SEGMENTS)
  const known: NostrEvent[] = []
  const pick = () => random.of(known)
  const make = (): NostrEvent => {
    const kind = random.of([1, 1, 4, 5, 1059, 10_002, 30_001])
    const large = random.chance(0.05) ? 'é'.repeat(2_000) : ''
    const tags = [['t', random.of(['a', 'é', 'a"b'])]]
    if (kind === 5 && known.length > 0) tags.push(['e', pick().id])
    if (kind === 1059 || kind === 4) tags.push(['p', BOB])
    if (kind === 30_001) tags.push(['d', String(random.below(9))])
    if (random.chance(0.1)) tags.push(['expiration', String(NOW + random.below(40))])
    return unsigned({ kind, pubkey: random.of([ALICE, BOB]), tags, content: `${known.length} ${large}\u0000` })
  }
  const FILTERS: FilterJson[] = [{}, { kinds: [1] }, { authors: [ALICE] }, { '#t': ['é'] }, { kinds: [30_001, 4] }]
  for (let step = 0; step < STEPS; step += 1) {
    const fresh = Array.from({ length: 1 + random.below(8) }, make)
    known.push(...fresh)
    add(...fresh)
    if (random.chance(0.1)) writer.remove([pick().id, pick().id], NOW * 1000)
    if (random.chance(0.1)) writer.sweepExpired(NOW + random.below(40), 0)
    if (random.chance(0.02)) add(unsigned({ kind: 62, pubkey: BOB, created_at: pick().created_at }))
    const filters = random.chance(0.6) ? [{}] : [random.of(FILTERS), random.of(FILTERS)]
    const request = logRequest(filters, random.below(writer.last + 1), {
      limit: random.of([1, 5, 40, 200, 500]),
      gone: random.chance(0.5),
      keys: random.chance(0.3) ? [BOB] : [],
      now: NOW + random.below(40),
    })
    const expected = read(plain, request)
    for (const reader of readers) expect(read(reader, request), JSON.stringify({ step, filters })).toEqual(expected)
  }
})

test('a kept segment is not served with what has been removed since', () => {
  const events = Array.from({ length: 20 }, () => unsigned())
  add(...events)
  const reader = open({ seqs: 8 })
  expect(seqsOf(reader)).toHaveLength(20)
  writer.remove([events[3]?.id ?? '', events[9]?.id ?? ''], NOW * 1000)
  const seqs = seqsOf(reader)
  expect(seqs).not.toContain(4)
  expect(seqs).not.toContain(10)
  expect(seqs).toHaveLength(20)
})

test.each([
  ['text', `json = '{}'`],
  ['text', `json = json || ' '`],
  ['text', `json = ''`],
  ['text', `json = '7', sum = ''`],
  ['kind', 'kind = 30001'],
  ['time', 'created_at = 2'],
  ['checksum', `sum = 'AAAAAAAAAAA'`],
  ['seq', 'seq = 1000000'],
])('a damaged %s (%s) is met each time, told of, and never served', (_, change) => {
  add(...Array.from({ length: 16 }, () => unsigned()))
  const Driver = loadDriver()
  const tamper = new Driver(file)
  tamper.exec(`UPDATE events SET ${change} WHERE seq = 3`)
  tamper.exec('UPDATE log SET last = 2000000')
  tamper.close()
  const reader = open({ seqs: 8 })
  for (let time = 0; time < 2; time += 1) {
    const seqs = seqsOf(reader)
    expect(seqs).toEqual([1, 2, ...Array.from({ length: 13 }, (_, index) => index + 4)])
    expect(reader.takeDamaged()).toEqual([change.startsWith('seq') ? 1_000_000 : 3])
  }
})
