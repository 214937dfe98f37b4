// What the log's own reader and writer cost, without sockets and signatures, on a log that `bench/generate.mjs` wrote:
//   npm run build && node bench/log.mjs <folder>
// Cold: the first query of a fresh connection (the system may still have the file in memory). Warm: repeated. CPU is user + system time of this process.
import { statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { defaultLimits, parseFilter } from '../dist/protocol/index.js'
import { LogReader } from '../dist/relay/log/sqlite/reader.js'
import { LOG_FILE, openSqliteStore } from '../dist/relay/log/sqlite/store.js'
import { authorOf, topicOf } from './plausible.mjs'

const [folder] = process.argv.slice(2)
if (folder === undefined) {
  console.error('usage: node bench/log.mjs <folder>')
  process.exit(2)
}
const directory = resolve(folder)
const file = join(directory, LOG_FILE)

const filter = json => {
  const parsed = parseFilter(json, { ...defaultLimits, filterValues: 1_000 })
  if (!parsed.ok) throw new Error(parsed.error.text)
  return parsed.value
}
const now = Math.floor(Date.now() / 1000)
const query = (json, limit = 100) => ({
  filters: [{ filter: filter(json), remaining: limit, capped: false }],
  keys: [],
  now,
})
const many = (n, of) => Array.from({ length: n }, (_, i) => of(i * 3))

/** Follows a query to its end, as the relay does: events and pages. */
function runQuery(reader, request) {
  let events = 0
  let pages = 0
  for (let next = request; ; ) {
    const page = reader.query(next)
    events += page.events.length
    pages += 1
    if (page.next === undefined) return { events, pages }
    next = { ...request, ...page.next, upTo: page.seq }
  }
}
function runLog(reader, json, most, after = 0) {
  let events = 0
  let pages = 0
  for (let at = after; events < most; ) {
    const batch = reader.readLog({ filters: [filter(json)], after: at, limit: 500, gone: false, keys: [], now })
    events += batch.entries.length
    pages += 1
    at = batch.upTo
    if (at >= batch.last) break
  }
  return { events, pages }
}

const SHAPES = {
  'latest 100': reader => runQuery(reader, query({})),
  'latest 100 of a kind': reader => runQuery(reader, query({ kinds: [1] })),
  'latest 100 of 5 kinds': reader => runQuery(reader, query({ kinds: [1, 4700, 7, 6, 1111] })),
  'latest 100 of an author': reader => runQuery(reader, query({ authors: [authorOf(3)] })),
  'latest 100 of an author, one kind': reader => runQuery(reader, query({ authors: [authorOf(3)], kinds: [1] })),
  'latest 100 of 300 authors, one kind': reader =>
    runQuery(reader, query({ authors: many(300, authorOf), kinds: [1] })),
  'latest 100 of 300 authors': reader => runQuery(reader, query({ authors: many(300, authorOf) })),
  'latest 100 by #p': reader => runQuery(reader, query({ '#p': [authorOf(2)] })),
  'latest 100 by #p and kind': reader => runQuery(reader, query({ '#p': [authorOf(2)], kinds: [4_700] })),
  'latest 100 by #t': reader => runQuery(reader, query({ '#t': [topicOf(0)] })),
  'rare author and common tag': reader => runQuery(reader, query({ authors: [authorOf(9_000)], '#t': [topicOf(0)] })),
  'common author and common tag': reader => runQuery(reader, query({ authors: [authorOf(1)], '#p': [authorOf(1)] })),
  '500 in the middle': reader => runQuery(reader, query({ until: now - 200_000 }, 500)),
  'nothing found': reader => runQuery(reader, query({ '#t': ['no such topic'] })),
  'log order, all, 20,000': reader => runLog(reader, {}, 20_000),
  'log order, one kind, 20,000': reader => runLog(reader, { kinds: [1] }, 20_000),
  'log order, mail of one key': reader => runLog(reader, { '#p': [authorOf(50)] }, 20_000),
  'log order, one author': reader => runLog(reader, { authors: [authorOf(500)] }, 20_000),
}

function measure(run) {
  const coldReader = new LogReader(file)
  const coldFrom = performance.now()
  const { events, pages } = run(coldReader)
  const coldMs = performance.now() - coldFrom
  coldReader.close()
  const reader = new LogReader(file)
  const until = performance.now() + 300
  for (let n = 0; n < 20 && performance.now() < until; n += 1) run(reader)
  const cpu = process.cpuUsage()
  const from = performance.now()
  let rounds = 0
  while (rounds < 2_000 && performance.now() < from + 700) {
    run(reader)
    rounds += 1
  }
  const { user, system } = process.cpuUsage(cpu)
  reader.close()
  const us = (user + system) / rounds
  return {
    events,
    pages,
    coldMs: Number(coldMs.toFixed(2)),
    warmCpuUs: Math.round(us),
    cpuUsPerEvent: events === 0 ? undefined : Number((us / events).toFixed(2)),
    eventsPerCpuSecond: events === 0 ? undefined : Math.round((events * 1e6) / us),
  }
}

const started = performance.now()
const store = await openSqliteStore(directory)
const openMs = Math.round(performance.now() - started)
const { last } = store.head
await store.close()
const shapes = Object.fromEntries(Object.entries(SHAPES).map(([name, run]) => [name, measure(run)]))
console.table(shapes)
const rssMb = Math.round(process.memoryUsage().rss / 1e6)
console.log(JSON.stringify({ file, bytes: statSync(file).size, last, openMs, rssMb, shapes }))
