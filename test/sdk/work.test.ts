import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { createMemoryMailStore, type MailStore } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { createAccount } from '#dist/sdk/work/chain.js'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, contactsOf, eventually, memoryAgent } from './agents.ts'

const known = { contacts: contactsOf(alice, bob) }

async function pair() {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const asker = await memoryAgent(alice, relay.url, known)
  const worker = await memoryAgent(bob, relay.url, known)
  return { relay, asker, worker }
}

const cyclic: Record<string, unknown> = {}
cyclic['self'] = cyclic

test('whatever a handler returns is an answer, or a failure that both sides hear of', async () => {
  const { asker, worker } = await pair()
  const returned: Record<string, unknown> = {
    null: null,
    zero: 0,
    'empty text': '',
    false: false,
    date: new Date(0),
    nothing: undefined,
    NaN: Number.NaN,
    infinity: { nested: [Number.POSITIVE_INFINITY] },
    bigint: 10n,
    map: new Map([['a', 1]]),
    'nested set': { tags: new Set(['a']) },
    bytes: new Uint8Array([1, 2]),
    error: { cause: new Error('why') },
    cyclic,
    function: () => 1,
    'nested function': { now: () => 1 },
    'invalid date': { due: new Date(Number.NaN) },
    gap: ['a', undefined],
    symbol: Symbol('x'),
    huge: 'x'.repeat(40_000),
    toJSON: {
      toJSON() {
        throw new Error('not today')
      },
    },
  }
  worker.handle('request', ({ text }) => returned[text], { concurrency: 20, maxAttempts: 1 })
  const outcomes = await Promise.all(
    Object.keys(returned).map(async name => {
      const outcome = await asker.ask('bob', name, { timeout: 20_000 }).then(
        ({ act, text, contentType }) => [act, text, ...(contentType ? [contentType] : [])],
        (error: { code?: string }) => error.code,
      )
      return [name, outcome] as const
    }),
  )
  const answer = (text: string) => ['answer', text, 'application/json']
  expect(Object.fromEntries(outcomes)).toEqual({
    null: answer('null'),
    zero: answer('0'),
    'empty text': ['answer', '', 'text/plain'],
    false: answer('false'),
    date: answer('"1970-01-01T00:00:00.000Z"'),
    nothing: ['done', ''],
    NaN: 'failed',
    infinity: 'failed',
    bigint: 'failed',
    map: 'failed',
    'nested set': 'failed',
    bytes: 'failed',
    error: 'failed',
    cyclic: 'failed',
    function: 'failed',
    'nested function': 'failed',
    'invalid date': 'failed',
    gap: 'failed',
    symbol: 'failed',
    huge: 'failed',
    toJSON: 'failed',
  })
  const dead = worker.deadLetters.list().map(({ reason }) => reason)
  expect(dead).toHaveLength(15)
  for (const reason of dead) expect(reason).toContain('the answer cannot be sent: ')
})

test('an asker is told when the other side marks its question as done, answered or not', async () => {
  const { asker, worker } = await pair()
  worker.on('message', async ({ id, text }) => {
    if (text === 'answered') await worker.send('alice', 'here', { act: 'answer', replyTo: id })
    await worker.mark(id, 'done')
  })
  const [silent, answered] = await Promise.all([
    asker.ask('bob', 'silent', { timeout: 20_000 }),
    asker.ask('bob', 'answered', { timeout: 20_000 }),
  ])
  expect(silent).toMatchObject({ act: 'done', text: '', from: bob.pubkey })
  expect(answered).toMatchObject({ act: 'answer', text: 'here' })
})

test('no warning, however many handlers run at once', async () => {
  const { asker, worker } = await pair()
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  onTestFinished(() => void process.off('warning', onWarning))
  let running = 0
  let most = 0
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  worker.handle(
    'request',
    async ({ signal }) => {
      running += 1
      most = Math.max(most, running)
      signal.addEventListener('abort', () => {})
      await opened
      return 'done'
    },
    { concurrency: 50 },
  )
  const controller = new AbortController()
  const asked = Array.from({ length: 50 }, (_, n) =>
    asker.ask('bob', `${n}`, { timeout: 20_000, signal: controller.signal }),
  )
  await eventually('50 at once', () => most === 50)
  open()
  await Promise.all(asked)
  // Warnings are emitted in a later turn.
  await wait(0)
  expect(warnings).toEqual([])
})

test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf'])(
  'a budget in units of %s is kept',
  unit => {
    const amounts = (amount: number) => Object.fromEntries([[unit, amount]])
    const account = createAccount(amounts(5))
    expect(Object.entries(account.remaining() ?? {})).toEqual([[unit, 5]])
    account.spend(amounts(3))
    expect(Object.entries(account.remaining() ?? {})).toEqual([[unit, 2]])
    expect(() => account.spend(amounts(3))).toThrow(expect.objectContaining({ code: 'over-budget' }))
    const granted = account.grant(undefined)
    expect(Object.entries(granted ?? {})).toEqual([[unit, 2]])
    account.settle(granted, amounts(1))
    expect(Object.entries(account.spent() ?? {})).toEqual([[unit, 4]])
    // Of a unit that was not given nothing is limited.
    expect(() => createAccount({ tokens: 1 }).spend(amounts(1_000))).not.toThrow()
  },
)

/** The most items worked on in one turn of the event loop. */
async function mostInOneTurn(store: MailStore, count: number): Promise<number> {
  const from = alice.pubkey
  const mail = Array.from({ length: count }, (_, n) => ({
    id: n.toString(16).padStart(64, '0'),
    from,
    text: `${n}`,
    act: 'inform',
    at: 1_700_000_000,
    private: false,
    relay: 'ws://127.0.0.1:9',
    event: '{}',
  }))
  store.record({ feed: { relay: 'ws://127.0.0.1:9', filter: '{}' }, mail })
  const agent = await memoryAgent(bob, 'ws://127.0.0.1:9', { ...known, store })
  let handled = 0
  let most = 0
  let before = 0
  const look = () => {
    most = Math.max(most, handled - before)
    before = handled
    if (handled < count) setImmediate(look)
  }
  agent.handle('inform', () => {
    handled += 1
  })
  setImmediate(look)
  await eventually('all are handled', () => handled === count)
  return most
}

test.each([
  ['memory', () => createMemoryMailStore()],
  ['SQLite', () => openSqliteMailStore(`${tempDir()}/mail.db`)],
])('a backlog is worked off in turns of the event loop (%s store)', async (_, open) => {
  expect(await mostInOneTurn(open(), 1_001)).toBeLessThanOrEqual(100)
})

test('a retry that falls due while the inbox is looked through is not forgotten', async () => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const asker = await memoryAgent(alice, relay.url, known)
  let ahead = 0
  // Each look at the clock takes 400 ms, and the first wait after a failure 500.
  const now = () => {
    ahead += 400
    return Date.now() + ahead
  }
  const clock = { now, monotonic: () => performance.now() }
  const random = { bytes: (length: number) => (length === 4 ? new Uint8Array(4) : randomBytes(length)) }
  const worker = await memoryAgent(bob, relay.url, { ...known, host: { clock, random } })
  let tries = 0
  worker.handle('request', () => {
    tries += 1
    ahead = 0
    if (tries === 1) throw new Error('not yet')
    return 'done'
  })
  // No more handlers come, so nothing else looks at the inbox.
  await worker.drain({ timeoutMs: 10_000 })
  expect((await asker.ask('bob', 'try', { timeout: 10_000 })).text).toBe('done')
})
