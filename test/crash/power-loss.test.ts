import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { notes, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { connect } from '../relay/wire.ts'
import { judgeTrace, type TraceVerdict } from './syscall-trace.ts'

/** Events per connection, of three; more in long runs. */
const EVENTS = Number(process.env['TRACED_EVENTS'] ?? 60)
const COMMAND = fileURLToPath(new URL('../../dist/cli/posthorn.js', import.meta.url))
const UNSYNCED = fileURLToPath(new URL('./unsynced.cjs', import.meta.url))
const CALLS = 'write,writev,sendto,sendmsg,pwrite64,pwritev,pwritev2,ftruncate,fsync,fdatasync'

/** Why calls cannot be traced here, or undefined. */
function untraceable(): string | undefined {
  if (process.platform !== 'linux') return `strace is for Linux, this is ${process.platform}`
  const { error, status, stderr } = spawnSync('strace', ['-o', '/dev/null', 'true'], { encoding: 'utf8' })
  if (error !== undefined) return 'strace is not installed'
  return status === 0 ? undefined : `strace may not trace here: ${stderr.trim()}`
}

const why = untraceable()
if (why !== undefined) {
  // Where it must be possible, a skip is a failure.
  if (process.env['REQUIRE_TRACE']) throw new Error(`the power-loss test cannot run: ${why}`)
  console.log(`SKIPPED: power loss is not tested here, because ${why}`)
}

/** Publishes over three connections to a relay under a trace, and judges the trace. */
async function traced(preload: readonly string[]): Promise<TraceVerdict & { readonly published: readonly string[] }> {
  const dir = tempDir()
  const [data, output] = [join(dir, 'data'), join(dir, 'trace')]
  const relay = [process.execPath, ...preload, COMMAND, 'relay', '--port', '0', '--data', data, '--json']
  const options = ['-f', '-yy', '-s', '65536', '-e', 'abbrev=none', '-e', `trace=${CALLS}`, '-o', output]
  const tracer = spawn('strace', [...options, ...relay], { stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(tracer, 'exit')
  onTestFinished(() => {
    tracer.kill('SIGKILL')
  })
  const lines = createInterface(tracer.stdout)
  const [line] = (await once(lines, 'line')) as [string]
  const { listening } = JSON.parse(line) as { listening: string }
  const published = await Promise.all(
    ['alice', 'bob', 'carol'].map(async name => {
      const events = notes(person(name), EVENTS)
      const wire = await connect(listening)
      for (const event of events) wire.send('EVENT', event)
      for (const _ of events) expect((await wire.find(([type]) => type === 'OK')).slice(0, 3)).toContain(true)
      await wire.close()
      return events.map(({ id }) => id)
    }),
  )
  // The tracer would keep a signal to itself.
  process.kill(Number(readFileSync(join(data, 'lock.pid'), 'utf8')), 'SIGTERM')
  await ended
  return { ...judgeTrace(readFileSync(output, 'latin1')), published: published.flat() }
}

describe.skipIf(why !== undefined)('power loss', { timeout: 120_000 + EVENTS * 100 }, () => {
  test(`no OK true leaves before its event is synced in the write-ahead log (${EVENTS * 3} events)`, async () => {
    const { oks, early, writes, syncs, published } = await traced([])
    console.log(`power loss: ${oks.length} OKs, ${writes} writes and ${syncs} syncs of the write-ahead log`)
    expect(oks.toSorted()).toEqual(published.toSorted())
    expect(syncs).toBeGreaterThan(0)
    expect(early).toEqual([])
  })

  test('the trace would tell: a relay whose SQLite does not sync is caught', async () => {
    const { oks, early, published } = await traced(['--require', UNSYNCED])
    expect(oks.toSorted()).toEqual(published.toSorted())
    expect(early.length).toBeGreaterThan(oks.length / 2)
  })
})

describe('reading a trace', () => {
  const id = 'a'.repeat(64)
  const wal = '25</data/log.db-wal>'
  const ok = `1 write(30<TCP:[127.0.0.1:1->127.0.0.1:2]>, "\\201\\20[\\"OK\\",\\"${id}\\",true,\\"seq: 1\\"]", 90) = 90`
  const write = `2 pwrite64(${wal}, "{\\"id\\":\\"${id}\\"", 24, 32) = 24`
  const other = `2 pwrite64(${wal}, "{\\"id\\":\\"${'b'.repeat(64)}\\"", 24, 32) = 24`

  test.each([
    ['synced', [write, `2 fsync(${wal}) = 0`, ok], 0],
    ['never synced', [write, ok], 1],
    ['another commit under way', [write, `2 fdatasync(${wal}) = 0`, other, write, ok], 0],
    ['only another event synced', [other, `2 fdatasync(${wal}) = 0`, write, ok], 1],
    ['never written', [other, `2 fdatasync(${wal}) = 0`, ok], 1],
    ['sent while the sync runs', [write, `2 fsync(${wal} <unfinished ...>`, ok, '2 <... fsync resumed>) = 0'], 1],
    ['the sync of another file', [write, '2 fsync(26</data/log.db>) = 0', ok], 1],
    ['the sync failed', [write, `2 fsync(${wal}) = -1 EIO (Input/output error)`, ok], 1],
    ['a sync that ended in time', [write, `2 fsync(${wal} <unfinished ...>`, '2 <... fsync resumed>) = 0', ok], 0],
  ])('%s', (_, lines, early) => {
    const verdict = judgeTrace(lines.join('\n'))
    expect([verdict.oks, verdict.early.length]).toEqual([[id], early])
  })
})
