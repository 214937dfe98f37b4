import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess, json, start } from './posthorn.ts'

test('check and backup beside a running relay, prune and restore when it has stopped', async () => {
  const [data, dir] = [tempDir(), tempDir()]
  const env = { XDG_DATA_HOME: tempDir() }
  const relay = start(['relay', '--port', '0', '--data', data, '--keep', '7:12h', '--keep', '30d,1000', '--json'])
  const url = (JSON.parse(await relay.says('\n')) as { listening: string }).listening
  await inProcess(['init', '--relay', url], { env })
  for (const text of ['one', 'two', 'three'])
    expect((await inProcess(['publish', '--kind', '1', text], { env })).code).toBe(0)

  const check = await inProcess(['relay', 'check', '--deep', '--data', data, '--json'])
  expect([check.code, json(check)]).toMatchObject([0, { ok: true, damaged: [], problems: [] }])
  const file = join(dir, 'log.backup')
  expect((await inProcess(['relay', 'backup', file, '--data', data])).code).toBe(0)
  const locked = await inProcess(['relay', 'prune', '--keep', '1', '--data', data])
  expect([locked.code, locked.stderr]).toMatchObject([1, expect.stringContaining('is in use by process')])
  relay.child.kill('SIGTERM')
  await relay.ended

  const dry = await inProcess(['relay', 'prune', '--keep', '1:1', '--dry-run', '--data', data, '--json'])
  expect(json(dry)).toEqual({ v: 1, events: 2, removals: 0, dryRun: true })
  expect(json(await inProcess(['relay', 'prune', '--keep', '1:1', '--data', data, '--json']))).toMatchObject({
    events: 2,
  })
  const inPlace = await inProcess(['relay', 'restore', file, '--data', data])
  expect([inPlace.code, inPlace.stderr]).toMatchObject([1, expect.stringContaining('--force')])
  expect((await inProcess(['relay', 'restore', file, '--force', '--data', data])).code).toBe(0)
  expect(readdirSync(data)).toContain('log.db.before-restore')
  expect(json(await inProcess(['relay', 'check', '--data', data, '--json']))['events']).toBe(json(check)['events'])

  const Driver = loadDriver()
  const db = new Driver(join(data, 'log.db'))
  db.exec(`UPDATE events SET json = replace(json, 'two', 'owt')`)
  db.close()
  const damaged = await inProcess(['relay', 'check', '--data', data])
  expect([damaged.code, damaged.stdout]).toMatchObject([6, expect.stringContaining('does not hash to its id')])
  expect((await inProcess(['relay', 'prune', '--keep', '1', '--data', data])).code).toBe(6)
  expect((await inProcess(['relay', 'backup', join(dir, 'b'), '--data', data])).code).toBe(6)
})

test.skipIf(process.platform !== 'linux')('Ctrl-C is heard while SQLite itself is busy with the file', async () => {
  const file = join(tempDir(), 'log.db')
  const Driver = loadDriver()
  const db = new Driver(file)
  // Where the log ends takes a view minutes to tell, in one call.
  db.exec(`PRAGMA application_id = 0x50684c67; PRAGMA user_version = 1; CREATE TABLE epochs (epoch, start);
    CREATE VIEW log AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000000000)
      SELECT count(*) AS last FROM c`)
  db.close()
  const check = start(['relay', 'check', file])
  const tool = await vi.waitFor(() => {
    const children = readFileSync(`/proc/${check.child.pid}/task/${check.child.pid}/children`, 'utf8').trim()
    const open = readdirSync(`/proc/${children}/fd`).map(fd => readlinkSync(`/proc/${children}/fd/${fd}`))
    expect(open).toContain(file)
    return children
  }, 20_000)
  check.child.kill('SIGINT')
  expect((await check.ended).code).toBe(130)
  expect(existsSync(`/proc/${tool}`)).toBe(false)
})

test.each([
  [['relay', 'prune'], 2],
  [['relay', 'prune', '--keep', '30w'], 2],
  [['relay', 'prune', '--keep', '70000:1d'], 2],
  [['relay', '--keep', '1d,2d'], 2],
  [['relay', 'backup'], 2],
  [['relay', 'check', '/nowhere/file'], 3],
  [['relay', 'check', '--data', '/nowhere'], 3],
  [['help', 'relay', 'check'], 0],
  [['relay', 'restore', '--help'], 0],
])('%j ends with %i', async (args, code) => {
  expect((await inProcess(args)).code).toBe(code)
})
