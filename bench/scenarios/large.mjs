import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { askClosed, askOnce } from '../load/ask.mjs'
import { openClient } from '../load/client.mjs'
import { memoryOf, startMeter, tenth } from '../load/meter.mjs'
import { checkAnswer, shapesOf } from './shapes.mjs'

const generator = fileURLToPath(new URL('../generate.mjs', import.meta.url))
const mixture = fileURLToPath(new URL('../plausible.mjs', import.meta.url))
const WARM_MS = 1_000
const DAY = 86_400
const INDEX_MS = 300_000
const QUICK = ['latest 100', 'by #p', 'search']

/** A log of a million stored events: how soon it listens, and each query with the file out of memory and in it. */
export async function large(context) {
  const { target, options, report, miss, signal } = context
  const folder = await generated(options, signal)
  // What an older build left is migrated here, and words are indexed, not while the clock runs.
  await using(target, folder, async (_server, client) => indexed(client, signal))

  for (const name of ['cold', 'warm']) {
    if (name === 'cold' && !evict(folder))
      miss('cold', 'the file could not be put out of memory (GNU dd): cold means a fresh start only')
    await using(target, folder, async server =>
      report(`start, ${name}`, {
        unit: 'starts',
        operations: 1,
        startMs: server.startMs,
        fileMb: tenth(bytesOf(folder) / 1e6),
        ...memoryOf(server.pid),
      }),
    )
  }

  const all = await using(target, folder, async (_server, client) => shapesOf(await sample(client)))
  // Each costs a start of the relay, which is most of what a quick run would do.
  const shapes = options.quick ? all.filter(({ name }) => QUICK.includes(name)) : all
  for (const { name, filters } of shapes) {
    signal.throwIfAborted()
    evict(folder)
    await using(target, folder, async (server, client) => {
      const { events, ms } = await askOnce(client, filters[0])
      for (const filter of filters) checkAnswer(filter, (await askOnce(client, filter)).events)
      if (events.length === 0) throw new Error(`nothing found for ${JSON.stringify(filters[0])}`)
      const stop = startMeter(server.pid)
      const asked = await askClosed([client], filters, Math.min(WARM_MS, options.querySeconds * 500))
      report(name, {
        unit: 'events/s',
        ...stop(asked.events),
        latencyMs: asked.latency.summary(),
        coldMs: tenth(ms),
      })
    })
  }
}

large.startsItself = true

/** Resolves when searches are answered: words are indexed behind the commits, which takes a while after a million. */
async function indexed(client, signal) {
  const until = performance.now() + INDEX_MS
  for (;;) {
    try {
      return await askOnce(client, { search: 'word', limit: 1 })
    } catch (error) {
      if (!error.message.includes('error:') || performance.now() > until) throw error
      await sleep(1_000, undefined, { signal })
    }
  }
}

/** A server on the folder and one connection, for as long as `act` takes. */
async function using(target, folder, act) {
  const server = await target.start(folder)
  try {
    const client = await openClient(server.url)
    try {
      return await act(server, client)
    } finally {
      client.close()
    }
  } finally {
    await server.stop()
  }
}

/** The folder of a generated log, kept between runs: it takes minutes to make. */
async function generated({ cache, large: count }, signal) {
  const version = createHash('sha256')
    .update(readFileSync(generator))
    .update(readFileSync(mixture))
    .digest('hex')
    .slice(0, 8)
  const folder = join(cache, `large-${count}-${version}`)
  if (existsSync(folder)) return folder
  mkdirSync(cache, { recursive: true })
  const making = `${folder}.${process.pid}`
  try {
    await new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [generator, making, String(count)], {
        stdio: ['ignore', 'ignore', 'pipe'],
        signal,
        timeout: 600_000,
      })
      let said = ''
      child.stderr.on('data', chunk => {
        said = (said + chunk).slice(-1_000)
      })
      child.once('error', reject)
      child.once('exit', code =>
        code === 0 ? resolve() : reject(new Error(`the generator ended with ${code}: ${said.trim()}`)),
      )
    })
    renameSync(making, folder)
  } finally {
    rmSync(making, { recursive: true, force: true })
  }
  return folder
}

const filesOf = folder =>
  readdirSync(folder)
    .map(name => join(folder, name))
    .filter(file => statSync(file).isFile())
const bytesOf = folder => filesOf(folder).reduce((sum, file) => sum + statSync(file).size, 0)

/** Puts the files out of the page cache; they are closed and synced. */
function evict(folder) {
  return filesOf(folder).every(
    file =>
      spawnSync('dd', [`if=${file}`, 'of=/dev/null', 'iflag=nocache', 'count=0'], { stdio: 'ignore' }).status === 0,
  )
}

/** Events from several times, oldest first: what the questions are made of. */
async function sample(client) {
  const found = new Map()
  let until
  for (let n = 0; n < 5; n++) {
    const { events } = await askOnce(client, { limit: 300, ...(until === undefined ? {} : { until }) })
    if (events.length === 0) break
    for (const event of events) found.set(event.id, event)
    until = events.at(-1).created_at - DAY
  }
  return [...found.values()].sort((a, b) => a.created_at - b.created_at)
}
