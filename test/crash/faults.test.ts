import { spawnSync } from 'node:child_process'
import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode, type NostrEvent } from 'posthorn/protocol'
import { createMemoryStore, createRelay, type Store } from 'posthorn/relay'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkFolder } from '#dist/relay/tools.js'
import { notes, nowSeconds, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'
import { connect, type Wire } from '../relay/wire.ts'
import { startRelayProcess } from './relay-process.ts'

const alice = person('alice')
const MiB = 1_048_576

/** Sizeable, so that a small disk is full soon. */
const large = (n: number): NostrEvent => alice.sign({ created_at: nowSeconds(), content: `${n} `.padEnd(40_000, 'x') })

/** Publishes until the relay says that it is full; what got OK true, and the refusal. */
async function fill(wire: Wire): Promise<{ accepted: string[]; refused: NostrEvent; reason: unknown }> {
  const accepted: string[] = []
  for (let n = 0; n < 500; n += 1) {
    const event = large(n)
    const [, , ok, reason] = await wire.publish(event)
    if (ok !== true) return { accepted, refused: event, reason }
    accepted.push(event.id)
  }
  throw new Error('the disk was never full')
}

const storedIds = async (wire: Wire): Promise<string[]> => {
  const frames = await wire.request(`all ${Math.random()}`, { kinds: [1] })
  expect(frames.at(-1)?.[0]).toBe('EOSE')
  return frames.flatMap(([type, , event]) => (type === 'EVENT' ? [(event as NostrEvent).id] : []))
}

describe('a full disk', () => {
  test('the log’s own bound: OK false, reading goes on, pruning makes room without a restart', async () => {
    const clock = { offset: 0, now: () => Date.now() + clock.offset, monotonic: () => performance.now() + clock.offset }
    await using running = await startRelay({
      maxLogBytes: 2 * MiB,
      clock,
      retention: [{ kinds: [1], maxAgeS: 100 }],
      onError: () => {},
    })
    const wire = await connect(running.url)
    const { accepted, refused, reason } = await fill(wire)
    expect(reason).toBe('error: storage full, nothing was stored')
    expect((await storedIds(wire)).toSorted()).toEqual(accepted.toSorted())
    expect(await wire.publish(refused)).toMatchObject({ 2: false })
    clock.offset = 200_000
    expect(await running.relay.prune()).toEqual({ events: accepted.length, removals: 0 })
    clock.offset = 0
    expect(await wire.publish(refused)).toMatchObject({ 2: true })
    expect(await checkFolder(running.data)).toMatchObject({ ok: true, events: 1 })
  })

  /** A disk of 3 MiB at that folder, if this user may have one. */
  const mount = (folder: string, size = '3m'): boolean =>
    spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]).status === 0
  /** Takes all that is left of a disk. */
  const writeToTheEnd = (file: string): void => {
    for (const size of [65_536, 4_096, 1])
      try {
        for (;;) appendFileSync(file, Buffer.alloc(size, 'b'))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
      }
  }
  const unmount = (folder: string): void => {
    spawnSync('umount', ['-l', folder])
    removeDir(folder)
  }
  const probe = makeTempDir()
  const mountable = mount(probe)
  unmount(probe)
  if (!mountable)
    console.log(
      'SKIPPED: a full disk is tested by the log’s own bound only, because a small disk cannot be mounted here',
    )

  test.skipIf(!mountable)(
    'killed on a full disk: starts, says so, reads, deletes, and takes events again once there is room',
    { timeout: 120_000 },
    async () => {
      const disk = makeTempDir()
      onTestFinished(() => unmount(disk))
      expect(mount(disk, '24m')).toBe(true)
      const ballast = join(disk, 'ballast')
      writeFileSync(ballast, Buffer.alloc(6 * MiB))
      const data = join(disk, 'data')
      const first = await startRelayProcess(data)
      const wire = await connect(first.url)
      const { accepted, reason } = await fill(wire)
      expect(reason).toBe('error: storage full, nothing was stored')
      expect(accepted.length).toBeGreaterThan(50)
      // Others take what is left, to the last byte.
      writeToTheEnd(ballast)
      await first.kill()
      writeToTheEnd(ballast)
      const second = await startRelayProcess(data)
      const again = await connect(second.url)
      expect(second.complaints()).toMatch(/disk.* full/)
      expect((await storedIds(again)).toSorted()).toEqual(accepted.toSorted())
      expect(await again.publish(large(1_000))).toMatchObject({
        2: false,
        3: 'error: storage full, nothing was stored',
      })
      // Deletions go on, one after another, and each of them holds.
      const gone = accepted.slice(0, 40)
      for (const id of gone) {
        const deletion = alice.sign({ kind: 5, created_at: nowSeconds(), tags: [['e', id]] })
        expect(await again.publish(deletion)).toMatchObject({ 2: true })
      }
      expect((await storedIds(again)).toSorted()).toEqual(accepted.slice(40).toSorted())
      rmSync(ballast)
      expect(await again.publish(large(1_001))).toMatchObject({ 2: true })
      expect(await second.stop()).toBe(0)
      expect(await checkFolder(data)).toMatchObject({ ok: true, events: accepted.length + 1 })
    },
  )

  test.skipIf(!mountable)(
    'a disk that others have filled: OK false, reading goes on, recovers without a restart',
    async () => {
      const disk = makeTempDir()
      onTestFinished(() => unmount(disk))
      expect(mount(disk)).toBe(true)
      const ballast = join(disk, 'ballast')
      writeFileSync(ballast, Buffer.alloc(MiB))
      const relay = await createRelay({ data: join(disk, 'data'), onError: () => {} })
      try {
        const wire = await connect(await relay.listen({ port: 0 }))
        const { accepted, refused, reason } = await fill(wire)
        expect(reason).toBe('error: storage full, nothing was stored')
        expect((await storedIds(wire)).toSorted()).toEqual(accepted.toSorted())
        rmSync(ballast)
        expect(await wire.publish(refused)).toMatchObject({ 2: true })
        expect(await storedIds(wire)).toContain(refused.id)
      } finally {
        await relay.close()
      }
      expect(await checkFolder(join(disk, 'data'))).toMatchObject({ ok: true })
    },
  )
})

/** A store whose n-th call (from 1) is never made but rejects, as a broken disk or a dead thread would. */
function failingStore(
  inner: Store,
  n: number,
): { store: Store; calls: () => number; failed: () => string | undefined } {
  let calls = 0
  let failed: string | undefined
  const store = new Proxy(inner, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        calls += 1
        if (calls !== n) return Reflect.apply(value, target, args)
        failed = String(name)
        return Promise.reject(Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR' }))
      }
    },
  })
  return { store, calls: () => calls, failed: () => failed }
}

interface Run {
  readonly acknowledged: readonly string[]
  readonly answered: number
  readonly ended: readonly unknown[]
}

const EVENTS = notes(alice, 4)
const WILL = { kind: 34_706, tags: [['d', 's']] }

/** A little of everything that touches the store. Every question gets an answer, or the relay did not start. */
async function converse(store: Store, errors: unknown[]): Promise<Run | undefined> {
  const relay = await createRelay({
    store,
    onError: (_, error) => errors.push(error),
    retention: [{ kinds: [9], maxAgeS: 9 }],
  }).catch(() => undefined)
  if (relay === undefined) return undefined
  try {
    const url = await relay.listen({ port: 0 })
    const wire = await connect(url)
    const acknowledged: string[] = []
    for (const event of EVENTS) {
      const [, id, ok, reason] = await wire.publish(event)
      if (ok === true) acknowledged.push(String(id))
      else expect(reason).toMatch(/^error: /)
    }
    const last = async (frames: Promise<readonly unknown[][] | readonly (readonly unknown[])[]>) =>
      (await frames).at(-1)
    const ended: unknown[] = [
      await last(wire.request('plain', { kinds: [1] })),
      await last(wire.request('log', { since_seq: 0, gone: true })),
      await last(wire.request('search', { search: 'note' })),
    ]
    wire.send('COUNT', 'count', { kinds: [1] })
    ended.push(await wire.find(([type, sub]) => sub === 'count' && (type === 'COUNT' || type === 'CLOSED')))
    wire.sendText(
      encode.auth(
        alice.sign({
          kind: 22_242,
          created_at: nowSeconds(),
          tags: [
            ['relay', url],
            ['challenge', wire.challenge],
          ],
        }),
      ),
    )
    const [, , authenticated] = await wire.find(([type]) => type === 'OK')
    if (authenticated === true) {
      wire.send('WILL', alice.sign({ ...WILL, created_at: nowSeconds(), tags: [...WILL.tags, ['relay', url]] }))
      ended.push(await wire.find(([type]) => type === 'OK'))
    }
    await relay.prune().catch(() => {})
    await wire.close()
    return { acknowledged, answered: EVENTS.length, ended }
  } finally {
    await relay.close().catch(error => errors.push(error))
  }
}

test('every call of the store fails once: never an OK true and nothing stored, an answer to everything, no crash', {
  timeout: 120_000,
}, async () => {
  const rejections: unknown[] = []
  const onRejection = (error: unknown) => rejections.push(error)
  process.on('unhandledRejection', onRejection)
  onTestFinished(() => {
    process.off('unhandledRejection', onRejection)
  })
  const met = new Set<string>()
  for (let n = 1; ; n += 1) {
    const inner = createMemoryStore()
    const { store, failed } = failingStore(inner, n)
    const errors: unknown[] = []
    const run = await converse(store, errors)
    const name = failed()
    if (name === undefined) break
    met.add(name)
    const present = await inner.seqsOf(run?.acknowledged ?? [])
    expect(present, `call ${n}, ${name}`).not.toContain(undefined)
    for (const end of run?.ended ?? []) {
      const [type, , , reason] = end as unknown[]
      if (type === 'CLOSED') expect((end as unknown[])[2], `call ${n}, ${name}`).toMatch(/^error: /)
      else if (type === 'OK') expect(String(reason), `call ${n}, ${name}`).toMatch(/^(error|will): /)
      else expect(['EOSE', 'COUNT'], `call ${n}, ${name}`).toContain(type)
    }
    expect(n).toBeLessThan(200)
  }
  // Each of these was made to fail at least once.
  expect([...met]).toEqual(
    expect.arrayContaining([
      'startEpoch',
      'append',
      'seqsOf',
      'query',
      'readLog',
      'count',
      'putWill',
      'prunable',
      'close',
    ]),
  )
  expect(rejections).toEqual([])
})
