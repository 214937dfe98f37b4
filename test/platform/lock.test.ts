import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { acquireLock, LockedError } from '#dist/platform/lock.js'
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
