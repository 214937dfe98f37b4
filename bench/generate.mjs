// Writes a log of plausible events (a million unless told otherwise) into a folder, through the log's own writer:
//   npm run build && node bench/generate.mjs <folder> [events] [seed]
// A relay started on that folder serves them. Their signatures are none: for measuring queries, not for use.
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { LOG_FILE } from '../dist/relay/log/sqlite/store.js'
import { LogWriter } from '../dist/relay/log/sqlite/writer.js'
import { plausibleEvents } from './plausible.mjs'

/** Larger than a relay's: what counts here is to be done soon. */
const BATCH = 5_000

const [folder, countText = '1000000', seedText = '1'] = process.argv.slice(2)
const count = Number(countText)
if (folder === undefined || !Number.isSafeInteger(count) || count < 1) {
  console.error('usage: node bench/generate.mjs <folder> [events] [seed]')
  process.exit(2)
}
const file = join(resolve(folder), LOG_FILE)
if (existsSync(file)) {
  console.error(`${file} is there already; choose another folder.`)
  process.exit(1)
}
mkdirSync(resolve(folder), { recursive: true, mode: 0o700 })
const writer = new LogWriter(file)
const started = performance.now()
const until = Math.floor(Date.now() / 1000)
let events = []
let texts = []
let done = 0
const flush = () => {
  if (events.length === 0) return
  writer.append(events, Date.now(), texts)
  done += events.length
  events = []
  texts = []
  if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${count}`)
}
for (const { event, text } of plausibleEvents({ count, until, seed: Number(seedText) })) {
  events.push(event)
  texts.push(text)
  if (events.length === BATCH) flush()
}
flush()
const { last } = writer
writer.close()
const seconds = (performance.now() - started) / 1000
if (process.stderr.isTTY) process.stderr.write('\r')
console.log(
  JSON.stringify({
    file,
    events: count,
    last,
    bytes: statSync(file).size,
    seconds: Math.round(seconds),
    eventsPerSecond: Math.round(count / seconds),
  }),
)
