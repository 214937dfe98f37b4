import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cursor, NostrEvent } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { openDatabase } from '#dist/platform/sqlite.js'
import { LOG_APPLICATION_ID, LOG_MIGRATIONS } from '#dist/relay/log/sqlite/schema.js'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { testSeed } from '../helpers/seed.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { writeAll } from '../property/writer.ts'
import { dice } from '../relay/dice.ts'
import { connect, type Frame, hintsOf, isFor } from '../relay/wire.ts'
import { startRelayProcess } from './relay-process.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 4)
const WRITERS = 4
/** Figures of the run, for those who keep them. */
const FIGURES = process.env['FIGURES']

/** Notes without end; every tenth is the next version of the author's one card. */
function* write(author: Person): Generator<NostrEvent> {
  const start = nowSeconds() - 80_000_000
  for (let n = 1; ; n += 1)
    yield author.sign({ kind: n % 10 === 0 ? 10_001 : 1, created_at: start + n, content: `${author.name} ${n}` })
}

/** Everything after the cursor, and where that ended. */
async function readLog(url: string, from: Cursor | undefined): Promise<{ rows: Frame[]; cursor: Cursor }> {
  const wire = await connect(url)
  const rows: Frame[] = []
  let cursor = from
  for (let page = 0; ; page += 1) {
    const position = cursor === undefined ? { since_seq: 0 } : { since_seq: cursor.seq, epoch: cursor.epoch }
    const frames = await wire.request(`p${page}`, { kinds: [1, 10_001], ...position })
    rows.push(...frames.filter(isFor('EVENT')))
    const end = frames.at(-1)
    expect(end?.[0], JSON.stringify(end)).toBe('EOSE')
    const hints = hintsOf(end)
    cursor = { epoch: String(hints['epoch']), seq: Number(hints['seq']) }
    if ('finish' in hints) break
  }
  wire.socket.terminate()
  return { rows, cursor }
}

const seed = testSeed('kill')

test(`${ROUNDS} times SIGKILL under load: nothing that got OK true is missing, every seq is the one that was told`, {
  timeout: 30_000 + ROUNDS * 10_000,
}, async () => {
  const random = dice(seed)
  const data = tempDir()
  const book = join(tempDir(), 'acknowledged')
  appendFileSync(book, '')
  const served = new Map<string, number>()
  const cards = new Map<string, number>()
  let cursor: Cursor | undefined
  let sentAgain = 0
  const authors = Array.from({ length: WRITERS }, (_, n) => person(`crash writer ${n}`))
  const sources = authors.map(write)
  let url = 'ws://127.0.0.1:9' // nobody is there yet
  let writing = true
  let acknowledged = 0
  const writers = Promise.all(
    sources.map(source =>
      writeAll(source, {
        url: () => url,
        window: 20,
        stopped: () => !writing,
        // Written down before anything else happens, so that the relay's own word is not needed later.
        onOk: (event, seq, duplicate) => {
          acknowledged += 1
          appendFileSync(book, `${event.id} ${seq} ${event.kind} ${event.pubkey} ${event.created_at}\n`)
          if (duplicate) sentAgain += 1
        },
        onRefused: (event, reason) => {
          // Sent again after a crash that had stored it and its successor.
          expect([event.kind, reason]).toEqual([10_001, expect.stringMatching(/^invalid: outdated/)])
        },
      }),
    ),
  )
  for (let round = 0; round <= ROUNDS; round += 1) {
    const relay = await startRelayProcess(data)
    const read = await readLog(relay.url, cursor)
    let last = cursor?.seq ?? 0
    for (const frame of read.rows) {
      const [event, seq] = [frame[2] as NostrEvent, frame[3] as number]
      expect(seq).toBeGreaterThan(last)
      last = seq
      served.set(event.id, seq)
      if (event.kind === 10_001) cards.set(event.pubkey, event.created_at)
    }
    cursor = read.cursor
    for (const line of readFileSync(book, 'utf8').trimEnd().split('\n')) {
      const [id = '', seq, kind, pubkey = '', created_at] = line.split(' ')
      if (id === '') continue
      if (kind === '1') expect(served.get(id), `acknowledged ${line}, round ${round}`).toBe(Number(seq))
      else expect(cards.get(pubkey) ?? 0, `card ${line}, round ${round}`).toBeGreaterThanOrEqual(Number(created_at))
    }
    if (round === ROUNDS) {
      writing = false
      url = relay.url
      await writers
      expect(await relay.stop()).toBe(0)
      break
    }
    url = relay.url
    // Killed after so many acknowledgements, not after a time: a slow machine plays the same rounds.
    const goal = acknowledged + 11 + random.below(400)
    while (acknowledged < goal) await delay(1)
    await delay(random.below(20))
    await relay.kill()
    const options = { applicationId: LOG_APPLICATION_ID, migrations: LOG_MIGRATIONS, readonly: true }
    const db = openDatabase(join(data, 'log.db'), options)
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok')
    db.close()
  }
  expect(readFileSync(book, 'utf8').trimEnd().split('\n').length).toBe(acknowledged)
  console.log(`kill: ${ROUNDS} rounds, ${acknowledged} acknowledged, ${served.size} served, ${sentAgain} sent again`)
  if (FIGURES !== undefined)
    appendFileSync(
      FIGURES,
      `${JSON.stringify({ test: 'kill', rounds: ROUNDS, acknowledged, served: served.size, sentAgain })}\n`,
    )
  expect(acknowledged).toBeGreaterThan(ROUNDS * 10)
})
