import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRelay } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { checkFile, restoreLog } from '#dist/relay/tools.js'
import { notes, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { manualTime, startRelay } from './relay-on-test.ts'
import { isFor } from './wire.ts'

const MINUTE = 60_000
const backupsIn = (directory: string) => readdirSync(directory).filter(name => name.endsWith('.db'))
const gaugeOf = (text: string | undefined, name: string) => new RegExp(`^${name} (\\S+)$`, 'm').exec(text ?? '')?.[1]

test('at the start and each time one is due; checked, private, the newest stay, other files too', async () => {
  const [data, directory] = [tempDir(), join(tempDir(), 'made')]
  mkdirSync(directory)
  writeFileSync(join(directory, 'posthorn-of-mine.db'), 'x')
  writeFileSync(join(directory, 'posthorn-2020-01-01T000000Z.db.partial'), 'cut short')
  const { clock, timers, advance } = manualTime()
  const made: string[] = []
  const { relay, connect } = await startRelay({
    data,
    metrics: true,
    clock,
    timers,
    backups: { directory, everyMs: 6 * MINUTE, keep: 2 },
    onBackup: ({ file, last }) => made.push(`${file} ${last}`),
  })
  expect(gaugeOf(await relay.metrics(), 'posthorn_backup_last_success_timestamp_seconds')).toBeUndefined()
  const wire = await connect()
  const mail = notes(person('alice'), 3)
  for (const [n, event] of mail.entries()) {
    await wire.publish(event)
    await advance(n === 0 ? 1_000 : 6 * MINUTE)
    // Serves while the copy is being made.
    expect((await wire.request(`s${n}`, { kinds: [1] })).filter(isFor('EVENT', `s${n}`))).toHaveLength(n + 1)
    await expect.poll(() => made.length).toBe(n + 1)
    await expect.poll(() => backupsIn(directory).length).toBe(Math.min(n + 2, 3))
  }
  const files = made.map(line => line.split(' ')[0] ?? '')
  expect(made.map(line => line.split(' ')[1])).toEqual(['1', '2', '3'])
  expect(files.map(file => existsSync(file))).toEqual([false, true, true])
  expect(readdirSync(directory).sort()).toEqual(
    [...files.slice(1).map(file => file.slice(directory.length + 1)), 'posthorn-of-mine.db'].sort(),
  )
  const newest = files.at(-1) ?? ''
  expect(statSync(newest).mode & 0o777).toBe(0o600)
  expect(await checkFile(newest)).toMatchObject({ ok: true, events: 3, last: 3 })
  expect(await restoreLog(newest, join(tempDir(), 'again'))).toMatchObject({ events: 3 })
  const text = await relay.metrics()
  expect(gaugeOf(text, 'posthorn_backup_interval_seconds')).toBe('360')
  expect(Number(gaugeOf(text, 'posthorn_backup_last_success_timestamp_seconds'))).toBeCloseTo(clock.now() / 1_000, -1)
  expect(Number(gaugeOf(text, 'posthorn_backup_last_size_bytes'))).toBe(statSync(newest).size)
  expect(text).toContain('posthorn_backups_total{outcome="success"} 3')
})

test('a restart neither repeats nor skips one: the newest that is there tells when the next is due', async () => {
  const [data, directory] = [tempDir(), tempDir()]
  const { clock, timers, advance } = manualTime()
  const made: number[] = []
  const open = () =>
    createRelay({
      data,
      clock,
      timers,
      backups: { directory, everyMs: 4 * MINUTE, keep: 5 },
      onBackup: () => made.push(clock.now()),
    })
  const first = await open()
  await advance(1_000)
  await expect.poll(() => made.length).toBe(1)
  await first.close()
  await advance(2 * MINUTE)
  const second = await open()
  onTestFinished(() => second.close())
  await advance(MINUTE)
  expect(made.length).toBe(1)
  await advance(MINUTE)
  await expect.poll(() => made.length).toBe(2)
})

test('one that fails is told and counted, disturbs nothing, and is tried again', async () => {
  const [data, directory] = [tempDir(), join(tempDir(), 'away')]
  const { clock, timers, advance } = manualTime()
  const errors: string[] = []
  const made: number[] = []
  const { relay, connect } = await startRelay({
    data,
    metrics: true,
    clock,
    timers,
    backups: { directory, everyMs: 2 * MINUTE, keep: 1 },
    onBackup: () => made.push(1),
    onError: where => errors.push(where),
  })
  rmSync(directory, { recursive: true })
  await advance(1_000)
  await expect.poll(() => errors).toEqual(['backup'])
  const wire = await connect()
  for (const event of notes(person('alice'), 1)) expect((await wire.publish(event))[2]).toBe(true)
  expect(await relay.metrics()).toContain('posthorn_backups_total{outcome="failure"} 1')
  mkdirSync(directory)
  await advance(2 * MINUTE)
  await expect.poll(() => made.length).toBe(1)
  expect(backupsIn(directory)).toHaveLength(1)
})

test('a relay that stops ends the one on its way, and what is left does not count', async () => {
  const [data, directory] = [tempDir(), tempDir()]
  const { clock, timers, advance } = manualTime()
  const relay = await createRelay({
    data,
    clock,
    timers,
    backups: { directory, everyMs: MINUTE, keep: 1 },
    onError: (where, error) => {
      throw new Error(where, { cause: error })
    },
  })
  await advance(1_000)
  await relay.close()
  expect(readdirSync(directory).filter(name => name.includes('partial'))).toEqual([])
})
