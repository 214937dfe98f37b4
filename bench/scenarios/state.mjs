import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { cpuMsOf, hundredth } from '../load/meter.mjs'

const program = name => fileURLToPath(new URL(name, import.meta.url))
const WRITER = program('./state-writer.mjs')
const WAKER = program('./state-waker.mjs')
const YJS = program('../peers/yjs/client.mjs')
const PROGRAM_MS = 240_000
const HOT_WRITES = 500
const WAKES = 15

/** Small changes of one agent's state, somebody who comes after them, and very many writes: what travels, and what is left. */
export async function state({ server, target, options, salt, signal, report }) {
  const order = {
    url: server.url,
    key: `state${salt}`,
    hot: HOT_WRITES,
    changes: options.stateChanges,
    writes: options.stateWrites,
    times: WAKES,
  }
  const cpuBefore = cpuMsOf(server.pid)
  const measured = target.kind === 'posthorn' ? await ours(order, signal) : await theirs(order, signal)
  tell({ ...measured, serverCpuMs: cpuMsOf(server.pid) - cpuBefore, order, report })
}

async function ours(order, signal) {
  const writer = run(WRITER, order, signal)
  try {
    const changed = await writer.line()
    const waker = run(WAKER, { ...order, digest: changed.digest }, signal)
    const woken = await waker.line()
    await waker.ended
    writer.go()
    const kept = await writer.line()
    await writer.ended
    return { ...changed, ...woken, ...kept }
  } finally {
    writer.stop()
  }
}

async function theirs(order, signal) {
  const client = run(YJS, order, signal)
  const measured = await client.line()
  await client.ended
  return measured
}

function tell({ order, report, serverCpuMs, ...figures }) {
  const { changes, writes, hot } = order
  report('one small change', {
    unit: 'changes/s',
    operations: changes,
    seconds: hundredth(figures.seconds),
    perSecond: Math.round(changes / figures.seconds),
    bytesPerChange: figures.bytesPerChange,
    deflatedPerChange: figures.deflatedPerChange,
    allBytesPerChange: figures.allBytesPerChange,
    mostTail: figures.mostTail,
  })
  report(`${hot} writes over 8 keys`, { unit: 'events', operations: hot, perSecond: figures.hotEvents })
  const medianMs = medianOf(figures.wakes.map(({ ms }) => ms))
  report(`waking over ${changes} changes`, {
    unit: 'wakes/s',
    operations: figures.wakes.length,
    perSecond: hundredth(1_000 / medianMs),
    wakeKb: hundredth(figures.wakes[0].bytes / 1_000),
    wakeMs: medianMs,
    wholeMs: medianOf(figures.wakes.map(({ wholeMs }) => wholeMs)),
    firstWakeMs: figures.wakes[0].ms,
    ...(figures.tier === undefined ? {} : { verifier: figures.tier }),
  })
  report(`a record after ${writes} writes`, {
    unit: '× its JSON',
    operations: writes,
    perSecond: hundredth(figures.recordBytes / figures.jsonBytes),
    recordBytes: figures.recordBytes,
    jsonBytes: figures.jsonBytes,
    // Of all of it: the waking, too.
    ...(Number.isFinite(serverCpuMs)
      ? { serverCpuUsPerOperation: hundredth((serverCpuMs * 1000) / (writes + changes)) }
      : {}),
  })
}

const medianOf = values => values.sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)]

/** A program that says one JSON object a line. */
function run(file, order, signal) {
  const child = spawn(process.execPath, [file, JSON.stringify(order)], {
    cwd: dirname(file),
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, POSTHORN_VERIFIER: 'wasm' },
    timeout: PROGRAM_MS,
    killSignal: 'SIGKILL',
    signal,
  })
  let said = ''
  child.stderr.on('data', chunk => {
    said = (said + chunk).slice(-2_000)
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', code => (code === 0 ? resolve() : reject(new Error(`it ended with ${code}: ${said.trim()}`))))
  })
  // Whoever waits for a line hears of it there.
  ended.catch(() => {})
  return {
    ended,
    stop: () => child.kill('SIGKILL'),
    go: () => child.stdin.end('go\n'),
    async line() {
      const { value, done } = await lines.next()
      if (done) await ended
      return JSON.parse(value)
    },
  }
}
