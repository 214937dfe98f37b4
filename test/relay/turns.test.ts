import { openSqliteStore, type QueryRequest } from 'posthorn/relay'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'
import { filter, logRequest, NOW, queryRequest, unsigned } from './unsigned.ts'

/** More than one request looks at. */
const SEALED = 9_000

describe('a request that looks at much and finds little', () => {
  const dir = makeTempDir()
  let store: Awaited<ReturnType<typeof openSqliteStore>>
  const [first, second, newest] = [1_000, 1_001, 1_002].map(created_at => unsigned({ created_at }))
  const found = [newest, second, first].map(event => event?.id)

  beforeAll(async () => {
    store = await openSqliteStore(dir)
    // Nobody may read these but their parties: a stranger's request passes over each, in time and in log order.
    const sealed = Array.from({ length: SEALED }, (_, n) => unsigned({ kind: 4, created_at: 2_000 + (n % 50) }))
    await store.append(
      [first, second].flatMap(event => event ?? []),
      NOW,
    )
    await store.append(sealed, NOW)
    await store.append(
      [newest].flatMap(event => event ?? []),
      NOW,
    )
  }, 60_000)
  afterAll(async () => {
    await store.close()
    removeDir(dir)
  })

  const idOf = (json: string) => (JSON.parse(json) as { id: string }).id

  test('newest first: pages may be empty, say where to go on, and miss nothing', async () => {
    const ids: string[] = []
    let pages = 0
    for (let request: QueryRequest | undefined = queryRequest([{}]); request !== undefined; pages += 1) {
      const page = await store.query(request)
      ids.push(...page.events.map(idOf))
      if (page.next === undefined) expect(page.complete).toBe(true)
      request = page.next && { ...request, ...page.next, upTo: page.seq }
    }
    expect(ids).toEqual(found)
    expect(pages).toBeGreaterThan(1)
  })

  test('log order: batches may be empty, say how far they went, and miss nothing', async () => {
    const ids: string[] = []
    let batches = 0
    for (let after = 0, last = 1; after < last; batches += 1) {
      const batch = await store.readLog(logRequest([{}], after))
      expect(batch.upTo).toBeGreaterThan(after)
      ids.push(...batch.entries.flatMap(row => (row.op === 'stored' ? [idOf(row.json)] : [])))
      after = batch.upTo
      last = batch.last
    }
    expect(ids).toEqual([first, second, newest].map(event => event?.id))
    expect(batches).toBeGreaterThan(1)
  })

  test('reconciliation: the same', async () => {
    const times: number[] = []
    const request = { filter: filter({}), keys: [], now: NOW, limit: 10_000 }
    for (let after: QueryRequest['after'], more = true; more; ) {
      const page = await store.stubs({ ...request, ...(after === undefined ? {} : { after }) })
      times.push(...page.times)
      after = page.next
      more = after !== undefined
    }
    expect(times).toEqual([1_002, 1_001, 1_000])
  })
})

test('ids that share their first 48 bits are told apart, also within a second', async () => {
  const dir = makeTempDir()
  const store = await openSqliteStore(dir)
  const head = 'abcdef012345'
  // Not hashes: nobody finds such ids, but who does shall gain nothing.
  const events = Array.from({ length: 300 }, (_, n) => ({
    ...unsigned({ created_at: 7, tags: [['t', 'x']] }),
    id: head + ((n * 7_919) % 300).toString(16).padStart(52, '0'),
  }))
  await store.append(events, NOW)
  const sorted = events.map(({ id }) => id).sort()
  for (const json of [{}, { '#t': ['x'] }, { kinds: [1] }]) {
    const page = await store.query(queryRequest([json]))
    expect(page.events.map(text => (JSON.parse(text) as { id: string }).id)).toEqual(sorted)
    const after = { created_at: 7, id: sorted[99] ?? '' }
    const rest = await store.query(queryRequest([json], 500, { after }))
    expect(rest.events).toHaveLength(200)
  }
  const one = sorted[5] ?? ''
  expect((await store.query(queryRequest([{ ids: [one] }]))).events).toHaveLength(1)
  expect(await store.count([filter({ ids: [one, 'f'.repeat(64)] })], { keys: [], now: NOW })).toBe(1)
  const other = `${head}${'f'.repeat(52)}`
  expect(await store.seqsOf([one, other])).toEqual([expect.any(Number), undefined])
  await store.close()
  removeDir(dir)
})
