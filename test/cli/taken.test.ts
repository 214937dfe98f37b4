import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '#dist/platform/clock.js'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { scriptedRelay } from '../sdk/scripted-relay.ts'
import { inProcess, json } from './posthorn.ts'

// Every command that publishes takes its words and its exit code from the relay's OK.

/** Kinds of mail and of relay lists pass: only what is set is refused. */
const SET: readonly number[] = [14705, 34706, 34701, 34702, 4702]

async function place(write: (kind: number) => string | undefined, options: Parameters<typeof startRelay>[0] = {}) {
  const relay = await startRelay({ ...options, policy: { write: ({ kind }) => write(kind) } })
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const env = { XDG_DATA_HOME: tempDir() }
  const run = (...args: string[]) => inProcess(args, { env })
  expect((await run('init', '--as', 'ann', '--relay', relay.url)).code).toBe(0)
  return run
}

const PUBLISHING: readonly (readonly string[])[] = [
  ['presence', 'set', '--activity', 'testing'],
  ['card', 'set', '--description', 'tests'],
  ['state', 'set', 'a', '1', '--timeout', '2'],
  ['state', 'set', 'b', '1', '--private', '--timeout', '2'],
  ['doc', 'create', 'plan', '--timeout', '3'],
]

test.each(PUBLISHING)('%s %s: a refusal is the outcome, with the reason of the relay', async (...words: string[]) => {
  for (const [reason, code] of [
    ['blocked: not on a Tuesday', 1],
    ['restricted: members only', 4],
  ] as const) {
    const run = await place(kind => (SET.includes(kind) ? reason : undefined))
    const refused = await run(...words, '--as', 'ann')
    expect({ words, code: refused.code }).toEqual({ words, code })
    expect(refused.stderr).toContain(reason)
    expect(refused.stderr).not.toMatch(/no relay was reached|others now see|^published/m)
  }
})

test('what is refused and tried again is in status and doctor, until a relay takes it', async () => {
  let refusal: string | undefined = 'blocked: not on a Tuesday'
  const run = await place(kind => (kind === 14705 ? refusal : undefined))
  expect((await run('card', 'set', '--description', 'tests', '--as', 'ann')).code).toBe(1)
  const before = json(await run('status', '--as', 'ann', '--json'))
  expect(before).toMatchObject({ published: false, allWell: false })
  expect(before['problems']).toContainEqual(expect.objectContaining({ code: 'card-waiting', reason: refusal }))
  expect((await run('status', '--as', 'ann')).stdout).toContain(`card    at no relay yet: ${refusal}`)
  expect((await run('doctor', '--as', 'ann')).stdout).toMatch(/warn {2}state +the card is at no relay yet: blocked/)
  refusal = undefined
  expect((await run('card', 'publish', '--as', 'ann')).code).toBe(0)
  const after = json(await run('status', '--as', 'ann', '--json'))
  expect(after).toMatchObject({ published: true, problems: [] })
})

test('a document that no relay has taken is in status and doctor, until one takes it', async () => {
  let refusal: string | undefined = 'blocked: not on a Tuesday'
  const run = await place(kind => (kind === 4702 ? refusal : undefined))
  expect((await run('doc', 'create', 'plan', '--timeout', '3', '--as', 'ann')).code).toBe(1)
  const before = json(await run('status', '--as', 'ann', '--json'))
  expect(before).toMatchObject({ published: false, allWell: false })
  expect(before['problems']).toContainEqual(expect.objectContaining({ code: 'document-waiting', reason: refusal }))
  const looked = await run('doctor', '--as', 'ann')
  expect(looked.stdout).toMatch(/warn {2}state .*a document/)
  expect(looked.stderr).not.toContain('all well')
  refusal = undefined
  // Empty: exit 3.
  expect((await run('doc', 'show', 'plan', '--as', 'ann')).stderr).toBe('there is nothing in it\n')
  expect(json(await run('status', '--as', 'ann', '--json'))).toMatchObject({ published: true, problems: [] })
})

test('a relay that answers that nobody was listening keeps nothing: nothing counts as stored there', async () => {
  const { url } = await scriptedRelay((peer, [verb, sub]) => {
    if (verb === 'EVENT') peer.send('OK', sub.id, true, 'mute: no one was listening')
    if (verb === 'REQ') peer.send('EOSE', sub)
  })
  const run = await place(() => undefined)
  expect((await run('init', '--as', 'mo', '--relay', url)).code).toBe(0)
  expect((await run('init', '--as', 'bo', '--relay', url)).code).toBe(0)
  for (const words of [['send', 'bo', 'hello', '--timeout', '2'], ...PUBLISHING.slice(0, 3)]) {
    const said = await run(...words, '--as', 'mo')
    expect({ words, isOk: said.code === 0 }).toEqual({ words, isOk: false })
    expect(said.stderr, words.join(' ')).toContain('no one was listening')
  }
  expect(json(await run('status', '--as', 'mo', '--json'))).toMatchObject({
    undelivered: 1,
    published: false,
    allWell: false,
  })
})

test('a relay that finds our clock a day ahead took nothing: presence and card say so', async () => {
  const clock = { ...systemClock, now: () => systemClock.now() - 86_400_000 }
  const run = await place(() => undefined, { clock })
  for (const words of PUBLISHING.slice(0, 2)) {
    const refused = await run(...words, '--as', 'ann')
    expect({ words, code: refused.code }).toEqual({ words, code: 1 })
    expect(refused.stderr).toContain('in the future')
    expect(refused.stderr).toContain('clock')
  }
})

test('one relay of two is enough, and the other is named; none that is reached is exit 5', async () => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const run = await place(kind => (SET.includes(kind) ? 'blocked: no' : undefined))
  await run('init', '--as', 'bob', '--relay', relay.url, '--relay', 'ws://127.0.0.1:9')
  await run('init', '--as', 'cy', '--relay', 'ws://127.0.0.1:9')
  for (const words of PUBLISHING.slice(0, 2)) {
    expect((await run(...words, '--as', 'bob')).code).toBe(0)
    const away = await run(...words, '--as', 'cy', '--json')
    expect({ words, code: away.code }).toEqual({ words, code: 5 })
    expect(away.stderr).toContain('no relay was reached')
  }
  expect((await run('status', '--as', 'cy', '--offline')).stdout).toContain('card    at no relay yet')
})
