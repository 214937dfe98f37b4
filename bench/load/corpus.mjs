// Signed events, made once and kept outside the repository: signing is never measured.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { toFrame } from './client.mjs'

/** Part of the name of every kept file: raise it when the mix changes. */
const VERSION = 1

/**
 * `corpus(section, count)` resolves to `[{ id, event, frame }]`. Every section (`main`, `open`, `live`, `mixed`, `idle`, `mail`) has
 * events of its own, which carry its name as topic. One with a suffix (`main-a1b2`) is for this run alone and not kept: relays
 * that cannot be emptied get events that nobody has published before.
 */
export function createCorpus({ folder, signal }) {
  const made = new Map()
  // Within a month the same seconds, so that kept files serve; never older than relays accept.
  const newest = Math.floor(Date.now() / 1000 / 2_592_000) * 2_592_000

  async function load(section, count) {
    const file = join(folder, `corpus-${VERSION}-${newest}-${section}-${count}.jsonl`)
    const lines = kept(file) ?? (await signAll({ section, count, newest }, signal))
    if (!section.includes('-')) keep(file, lines)
    return lines.map(line => {
      const event = JSON.parse(line)
      return { id: event.id, event, frame: toFrame(['EVENT', event]) }
    })
  }

  return (section, count) => {
    const key = `${section} ${count}`
    if (!made.has(key)) made.set(key, load(section, count))
    return made.get(key)
  }
}

function kept(file) {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch {
    return undefined
  }
}

function keep(file, lines) {
  if (existsSync(file)) return
  mkdirSync(dirname(file), { recursive: true })
  // Whole or not at all: another run may be reading.
  writeFileSync(`${file}.${process.pid}`, lines.join('\n'))
  renameSync(`${file}.${process.pid}`, file)
}

async function signAll(work, signal) {
  const step = Math.max(1, availableParallelism())
  const shares = await Promise.all(
    Array.from({ length: step }, (_, first) => signShare({ ...work, first, step }, signal)),
  )
  return Array.from({ length: work.count }, (_, n) => shares[n % step][Math.floor(n / step)])
}

function signShare(workerData, signal) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./sign-thread.mjs', import.meta.url), { workerData })
    const abort = () => {
      worker.terminate()
      reject(signal.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
    worker.once('message', lines => {
      signal?.removeEventListener('abort', abort)
      resolve(lines)
    })
    worker.once('error', reject)
  })
}
