import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess, json, messagesOf } from './posthorn.ts'

// A disk that takes nothing more, a real one: commands that only read go on, and doctor tries to write.

const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' })

/** A file system of 6 MB in memory; undefined where this user may not mount one. */
function smallDisk(): { readonly path: string; fill(): void; lock(): void } | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined
  const path = tempDir()
  try {
    mount('-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', path)
  } catch {
    return undefined
  }
  onTestFinished(() => void execFileSync('umount', ['-l', path]))
  return {
    path,
    fill() {
      for (const bytes of [1 << 20, 4096])
        for (let part = 0; part < 2_000; part++) {
          try {
            writeFileSync(join(path, `fill-${bytes}-${part}`), Buffer.alloc(bytes, 1))
          } catch {
            break
          }
        }
    },
    lock: () => mount('-o', 'remount,ro', path),
  }
}

const TAKING_NOTHING = [
  ['full', 'ENOSPC'],
  ['read-only', 'EROFS'],
] as const

test.each(TAKING_NOTHING)('a home on a disk that is %s: reading commands read, doctor says it', async (how, code) => {
  const disk = smallDisk()
  if (disk === undefined) return
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const run = (...args: string[]) => inProcess([...args, '--home', join(disk.path, 'home')], { env: {} })
  await run('init', '--relay', relay.url)
  const makeUnwritable = how === 'full' ? disk.fill : disk.lock
  const bob = `npub1${'q'.repeat(58)}`

  if (how === 'full') {
    // A home in which nothing has run yet.
    makeUnwritable()
    const found = await run('doctor', '--json')
    expect(found.code).toBe(1)
    expect(json(found)).toMatchObject({ ok: false, allWell: false })
    expect(found.stdout).toContain('disk-unwritable')
    expect(json(await run('status', '--json'))).toMatchObject({ running: false, unread: 0, allWell: false })
    expect((await run('contact', 'list')).code).toBe(3)
    execFileSync('find', [disk.path, '-name', 'fill-*', '-delete'])
  }
  const [npub = ''] = /npub1\w+/.exec((await run('whoami')).stdout) ?? []
  expect((await run('send', npub, 'a note')).code).toBe(0)
  expect((await run('catchup')).code).toBe(0)
  const id = String(messagesOf(await run('inbox', '--json'))[0]?.['id'])
  makeUnwritable()

  const found = await run('doctor')
  expect(found.code).toBe(1)
  expect(found.stdout).toMatch(/FAIL {2}files .*nothing can be received or sent/)
  expect(found.stdout).toContain(code)
  expect(found.stdout).toMatch(/ok {4}mail /)
  const status = await run('status', '--json')
  // As doctor: nothing can be received.
  expect(status.code).toBe(1)
  expect(json(status)).toMatchObject({ running: false, unread: 1, allWell: false, synced: null })
  expect(json(status)['problems']).toContainEqual(expect.objectContaining({ code: 'disk-unwritable' }))
  const listed = await run('inbox')
  expect(listed.code).toBe(0)
  expect(listed.stdout).toContain('a note')
  expect(listed.stderr).toContain('the relays were not asked')
  expect((await run('read', id)).stdout).toContain('a note')
  expect((await run('receipts', id)).code).toBe(0)
  expect((await run('contact', 'list')).code).toBe(3)
  expect((await run('invite', 'list')).code).toBe(3)
  // What writes fails, and says why.
  for (const words of [
    ['send', npub, 'another'],
    ['contact', 'add', 'bob', bob],
  ])
    expect((await run(...words)).code).not.toBe(0)
})
