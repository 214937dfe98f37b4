import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { fillDisk, freeDisk } from '../status/disk.ts'

test('what relays answer while the disk is full is not lost and ends no process: it is written with what is settled next', () => {
  const folder = tempDir()
  const store = openSqliteMailStore(join(folder, 'mail.db'))
  const relay = 'ws://r'
  const [first, second] = [1, 2].map(n => n.toString(16).padStart(64, '0')) as [string, string]
  for (const id of [first, second]) {
    store.enqueue({ id, to: 'a'.repeat(64), event: '{}', expires: 9 })
    store.address(id, [relay], [], 0)
  }
  fillDisk(folder)
  expect(store.settle([{ id: first, state: 'refused', relay, reason: 'blocked: '.padEnd(100_000, 'x') }], 5)).toEqual(
    [],
  )
  expect(store.delivery(first)?.state).toBe('queued')
  // Nothing that could not be written is begun again and again.
  expect([store.expiring(9), store.overdue(9, 9)]).toEqual([[], []])
  freeDisk(folder)
  expect(store.settle([{ id: second, state: 'stored', relay }], 6)).toEqual([first, second])
  expect([first, second].map(id => store.delivery(id)?.state)).toEqual(['refused', 'stored'])
  expect(store.expiring(9)).toEqual([])
  store.close()
})
