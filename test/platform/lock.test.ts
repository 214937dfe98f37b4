import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { acquireLock, LockedError } from '#dist/platform/lock.js'
import { loadDriver } from '#dist/platform/sqlite-driver.js'
import { tempDir } from '../helpers/temp-dir.ts'

const LOCK_MODULE = pathToFileURL('dist/platform/lock.js').href

/** Another process that takes the lock, says how that went in one line, and holds on until it is killed. */
async function locker(folder: string): Promise<{ child: ChildProcess; said: string }> {
  const script = `
    import { acquireLock } from ${JSON.stringify(LOCK_MODULE)}
    try { acquireLock(process.argv[1]); console.log('held') }
    catch (error) { console.log(error.code, error.pid) }
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  return { child, said: String(line).trim() }
}

const kill = async (child: ChildProcess) => {
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

test('a second process is refused and told who holds it', async () => {
  const folder = tempDir()
  const release = acquireLock(folder)
  const { said, child } = await locker(folder)
  expect(said).toBe(`locked ${process.pid}`)
  await kill(child)
  release()
})

test('SIGKILL of the holder frees it at once', async () => {
  const folder = tempDir()
  const { said, child } = await locker(folder)
  expect(said).toBe('held')
  expect(() => acquireLock(folder)).toThrow(LockedError)
  try {
    acquireLock(folder)
  } catch (error) {
    expect(error).toMatchObject({ code: 'locked', pid: child.pid })
    expect((error as LockedError).message).toContain('choose another folder')
  }
  await kill(child)
  acquireLock(folder)()
})

test('one process cannot hold it twice; a release frees it, and releasing twice is harmless', () => {
  const folder = tempDir()
  const release = acquireLock(folder)
  expect(() => acquireLock(folder)).toThrow(LockedError)
  release()
  const again = acquireLock(folder)
  release()
  expect(() => acquireLock(folder)).toThrow(LockedError)
  again()
})

test('folders are locked apart', () => {
  const [a, b] = [acquireLock(tempDir()), acquireLock(tempDir())]
  a()
  b()
})

test('its files are for their owner alone, whatever the folder and the umask allow; an older one is closed', () => {
  const folder = tempDir()
  chmodSync(folder, 0o755)
  const umask = process.umask(0)
  onTestFinished(() => void process.umask(umask))
  const modes = () =>
    readdirSync(folder).map(name => `${name} ${(statSync(join(folder, name)).mode & 0o777).toString(8)}`)
  acquireLock(folder)()
  expect(modes()).toContain('lock.db 600')
  expect(modes().filter(mode => !mode.endsWith(' 600'))).toEqual([])
  chmodSync(join(folder, 'lock.db'), 0o644)
  const release = acquireLock(folder)
  expect(modes().filter(mode => !mode.endsWith(' 600'))).toEqual([])
  // Looking at the file's mode again, as a second attempt does, drops no lock of this process.
  chmodSync(join(folder, 'lock.db'), 0o644)
  expect(() => acquireLock(folder)).toThrow(LockedError)
  release()
})

test('a lock that somebody else holds is not put down to a process that has ended', async () => {
  const folder = tempDir()
  const { child } = await locker(folder)
  const { pid } = child
  await kill(child)
  const other = new (loadDriver())(join(folder, 'lock.db'))
  onTestFinished(() => void other.close())
  // A process that only reads the file keeps us out of nothing.
  other.exec('BEGIN; SELECT * FROM sqlite_schema')
  acquireLock(folder)()
  other.exec('COMMIT; BEGIN IMMEDIATE')
  try {
    acquireLock(folder)
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ code: 'locked', pid: undefined })
    expect((error as LockedError).message).toContain(join(folder, 'lock.db'))
    expect((error as LockedError).message).not.toContain(String(pid))
  }
  other.exec('COMMIT')
  acquireLock(folder)()
})

test('of two processes that want it at the same moment one gets it, however often they try', {
  timeout: 120_000,
}, async () => {
  const racers = [0, 1].map(() => fork('test/platform/lock-racer.mjs'))
  onTestFinished(() => {
    for (const racer of racers) racer.kill('SIGKILL')
  })
  const answers = () => Promise.all(racers.map(async racer => String((await once(racer, 'message'))[0])))
  await answers()
  const ended = new Map<string, number>()
  let folder = tempDir()
  for (let round = 0; round < 150; round += 1) {
    // Each folder twice: once where there is no lock file yet.
    if (round % 2 === 0) folder = tempDir()
    const said = answers()
    const at = performance.timeOrigin + performance.now() + 2
    for (const racer of racers) racer.send({ folder, at })
    const how = (await said).sort().join(' ')
    ended.set(how, (ended.get(how) ?? 0) + 1)
    const freed = answers()
    for (const racer of racers) racer.send({})
    await freed
  }
  expect(Object.fromEntries(ended)).toEqual({ 'held locked': 150 })
})
