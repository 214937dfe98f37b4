import { type Agent, act, createMemoryMailStore, json, multipart, partsOf, type StandardSchema } from 'posthorn'
import { testMesh } from 'posthorn/testing'
import { expect, expectTypeOf, onTestFinished, test } from 'vitest'
import type { StoredMail } from '#dist/sdk/mail/store.js'
import { chainFault, MAX_HOPS } from '#dist/sdk/work/chain.js'

async function meshOf<Name extends string>(...names: Name[]) {
  const mesh = await testMesh({ seed: 7 })
  onTestFinished(() => mesh.close())
  const agents = {} as Record<Name, Agent>
  for (const name of names) agents[name] = await mesh.agent(name)
  /** Runs time on until the promise is settled. */
  const during = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false
    const quiet = promise.then(
      () => {
        settled = true
      },
      () => {
        settled = true
      },
    )
    for (let tries = 0; !settled && tries < 200; tries += 1) await mesh.advance(250)
    await quiet
    return promise
  }
  return { mesh, ...agents, during }
}

/** A Standard Schema by hand: what Zod and others provide. */
const shape = <T>(check: (value: unknown) => string | undefined): StandardSchema<T> => ({
  '~standard': {
    version: 1,
    vendor: 'test',
    validate(value) {
      const message = check(value)
      return message === undefined ? { value: value as T } : { issues: [{ message, path: ['a'] }] }
    },
  },
})
const numbers = shape<{ a: number; b: number }>(value =>
  typeof (value as { a?: unknown })?.a === 'number' ? undefined : 'expected a number',
)
const total = shape<{ total: number }>(value =>
  typeof (value as { total?: unknown })?.total === 'number' ? undefined : 'expected a total',
)
const sum = act('request', 'acme/sum@1', { in: numbers, out: total })

test('typed acts: bodies are validated on both ends and typed', async () => {
  const { ada, ben, during } = await meshOf('ada', 'ben')
  ben.handle(sum, ({ body, schema }) => {
    expectTypeOf(body).toEqualTypeOf<{ a: number; b: number }>()
    expect(schema).toBe('acme/sum@1')
    return { total: body.a + body.b }
  })
  const answer = await during(ada.ask('ben', sum, { a: 1, b: 2 }))
  expectTypeOf(answer.body).toEqualTypeOf<{ total: number }>()
  expect(answer.body).toEqual({ total: 3 })
  // @ts-expect-error the shape is checked by the compiler too
  await expect(ada.ask('ben', sum, { a: 'one' })).rejects.toMatchObject({ code: 'not-understood', isOwn: true })
})

test('a wrong body is not understood, with the issues; a wrong result is this side’s failure', async () => {
  const { ada, ben, during } = await meshOf('ada', 'ben')
  let runs = 0
  ben.handle(sum, () => {
    runs += 1
    return {} as { total: number }
  })
  const wrong = ada.ask('ben', json({ a: 'x' }), { schema: 'acme/sum@1' })
  await expect(during(wrong)).rejects.toMatchObject({
    code: 'failed',
    act: 'not-understood',
    message: expect.stringContaining('a: expected a number'),
  })
  expect(runs).toBe(0)
  await expect(during(ada.ask('ben', sum, { a: 1, b: 1 }))).rejects.toMatchObject({ act: 'failure' })
  expect(runs).toBe(3)
  const unknown = ada.ask('ben', json({}), { schema: 'acme/other@1' })
  await expect(during(unknown)).rejects.toMatchObject({ act: 'not-understood' })
})

test('text, JSON, markdown and parts arrive as what they are; malformed parts are none', async () => {
  const { mesh, ada, ben } = await meshOf('ada', 'ben')
  const file = { type: 'file', url: 'https://example.org/x', sha256: 'a'.repeat(64), size: 3 } as const
  await ada.send('ben', multipart([{ type: 'text', text: 'see' }, { type: 'json', data: { n: 1 } }, file]))
  await ada.send('ben', { n: 2 })
  await mesh.settle()
  const [parts, data] = ben.inbox()
  expect(parts && partsOf(parts)).toEqual([{ type: 'text', text: 'see' }, { type: 'json', data: { n: 1 } }, file])
  expect(data && partsOf(data)).toEqual([{ type: 'json', data: { n: 2 } }])
  expect(
    partsOf({ text: '{"parts":[{"type":"file","url":"x"}]}', contentType: parts?.contentType ?? '' }),
  ).toBeUndefined()
  expect(() => multipart([])).toThrow(expect.objectContaining({ code: 'message-malformed' }))
})

test('a message on behalf of another inherits hop, conversation, deadline and what is left of the budget', async () => {
  const { ada, ben, cem, during } = await meshOf('ada', 'ben', 'cem')
  ben.handle('request', async ({ ask, spend, remaining }) => {
    spend({ tokens: 30 })
    const { text } = await ask('cem', 'part of it', { budget: { tokens: 50 }, deadline: 3_600 })
    return `${text}; ${remaining()?.['tokens']} left`
  })
  cem.handle('request', ({ hop, budget, deadline, root, spend }) => {
    spend({ tokens: 10 })
    return `${hop} ${budget?.['tokens']} ${deadline !== undefined} ${root !== undefined}`
  })
  const answer = await during(ada.ask('ben', 'all of it', { budget: { tokens: 100 }, deadline: 60 }))
  expect(answer).toMatchObject({ text: '1 50 true true; 60 left', spent: { tokens: 40 } })
  const [asked] = cem.inbox()
  expect(asked?.deadline).toBe(ben.inbox()[0]?.deadline)
})

test('what comes back to who began it is refused; with loops allowed, hops decide', async () => {
  const { ada, ben, during } = await meshOf('ada', 'ben')
  ben.handle('request', ({ ask }) => ask('ada', 'you do it').then(({ text }) => text), { maxAttempts: 1 })
  ada.handle('request', () => 'done')
  const failed = during(ada.ask('ben', 'do it'))
  await expect(failed).rejects.toMatchObject({ act: 'failure', message: expect.stringContaining('loop:') })
  expect(ada.deadLetters.list()).toMatchObject([{ direction: 'in', reason: expect.stringContaining('loop:') }])
})

test('a loop over others is seen by their messages on the relay, where neither end has them', async () => {
  const { ada, ben, cem, dia, during } = await meshOf('ada', 'ben', 'cem', 'dia')
  const passOn = (agent: Agent, to: string) =>
    agent.handle('request', ({ ask, text }) => ask(to, text).then(answer => answer.text), {
      maxAttempts: 1,
      concurrency: 2,
    })
  passOn(ben, 'cem')
  passOn(cem, 'dia')
  passOn(dia, 'ben')
  await expect(during(ada.ask('ben', 'round and round'))).rejects.toMatchObject({ act: 'failure' })
  expect(ben.inbox().map(({ fromName, error }) => [fromName, error?.split(':')[0]])).toEqual([
    ['ada', expect.stringContaining('failed')],
    ['dia', 'loop'],
    ['cem', undefined],
  ])
})

test('two agents that pass a question back and forth stop at the hop limit', async () => {
  const { ada, ben, during } = await meshOf('ada', 'ben')
  const hops: number[] = []
  for (const [agent, other] of [
    [ada, 'ben'],
    [ben, 'ada'],
  ] as const)
    agent.handle(
      'request',
      async ({ ask, hop = 0 }) => {
        hops.push(hop)
        return (await ask(other, 'no, you')).text
      },
      { loops: 'allow', maxAttempts: 1, concurrency: 9 },
    )
  await expect(during(ada.ask('ben', 'who?'))).rejects.toMatchObject({ message: expect.stringContaining('hop 6') })
  expect(hops).toEqual([0, 1, 2, 3, 4, 5])
})

test('a chain of five hops is worked on, one of six refused, unless it is a reply', async () => {
  const options = { pubkey: 'a'.repeat(64), store: createMemoryMailStore(), maxHops: MAX_HOPS }
  const faultOf = async (act: string, hop: number) => {
    const mail = { id: 'b'.repeat(64), from: 'c'.repeat(64), act, hop } as StoredMail
    return (await chainFault(mail, true, options))?.split(':')[0]
  }
  expect(MAX_HOPS).toBe(5)
  for (const act of ['request', 'inform', 'a-word-of-my-own'])
    expect([await faultOf(act, 0), await faultOf(act, 5), await faultOf(act, 6)]).toEqual([
      undefined,
      undefined,
      'hops',
    ])
  expect(await faultOf('answer', 6)).toBe(undefined)
})

test('idem: sent once from here, done once there, and the recorded answer for whoever asks again', async () => {
  const { mesh, ada, ben, during } = await meshOf('ada', 'ben')
  let runs = 0
  ben.handle('request', () => {
    runs += 1
    return `run ${runs}`
  })
  const first = await ada.send('ben', 'pay', { act: 'request', idem: 'invoice-7' })
  expect(await ada.send('ben', 'pay', { act: 'request', idem: 'invoice-7' })).toBe(first)
  await mesh.advance(1_000)
  expect([runs, ben.inbox().length]).toEqual([1, 1])
  await during(ada.ask('ben', 'other', { idem: 'x' }))
  expect(runs).toBe(2)
})

test('scatter: answers, refusals and silence, each told apart', async () => {
  const { mesh, ada, ben, cem, during } = await meshOf('ada', 'ben', 'cem', 'dia', 'eve')
  ben.handle('query', () => 'yes')
  cem.handle('query', () => 'no')
  await mesh.kill('dia')
  await mesh.kill('eve')
  const all = await during(ada.scatter(['ben', 'cem', 'dia'], 'ready?', { act: 'query', timeout: 5_000 }))
  expect(all.answers.map(({ text }) => text).toSorted()).toEqual(['no', 'yes'])
  expect([all.failures, all.silent.length]).toEqual([[], 1])
  expect(new Set(all.answers.map(({ root }) => root))).toEqual(new Set([all.conversation]))
  const one = await during(ada.scatter(['eve', 'ben'], 'ready?', { act: 'query', enough: 1 }))
  expect([one.answers.length, one.silent.length]).toEqual([1, 1])
  const ids = await ada.sendAll(['ben', 'cem'], 'thanks')
  await mesh.settle()
  expect(cem.inbox().at(-1)).toMatchObject({ id: ids[1], root: ids[0] })
})

test('topics: by prefix, across sleep, each post once; to members sealed and by name', async () => {
  const { mesh, ada, ben, cem } = await meshOf('ada', 'ben', 'cem')
  const heard: string[] = []
  const listen = (agent: Agent) => agent.subscribe('builds', ({ topic, text }) => void heard.push(`${topic}: ${text}`))
  await ada.topic('builds/linux').publish('before')
  await mesh.advance(1_000)
  listen(ben)
  await mesh.advance(1_000)
  await ada.topic('builds/linux').publish('one')
  await ada.topic('buildsystem').publish('not this')
  await mesh.advance(1_000)
  await mesh.kill('ben')
  await ada.topic('builds').publish('two')
  await mesh.advance(1_000)
  const woken = await mesh.wake('ben')
  listen(woken)
  await mesh.advance(1_000)
  await ada.topic('builds/mac').publish('three', { members: ['ben'] })
  await mesh.advance(1_000)
  expect(heard.filter(post => !post.endsWith('before'))).toEqual([
    'builds/linux: one',
    'builds: two',
    'builds/mac: three',
  ])
  expect(cem.inbox()).toEqual([])
  expect(() => ada.topic('a//b')).toThrow(expect.objectContaining({ code: 'message-malformed' }))
})

test('five failures within ten seconds spare a peer for a minute; then one may try', async () => {
  const { mesh, ada, ben } = await meshOf('ada', 'ben')
  ben.handle(
    'request',
    () => {
      throw new Error('broken')
    },
    { maxAttempts: 1 },
  )
  for (let n = 0; n < 5; n += 1) await ada.send('ben', `${n}`, { act: 'request' })
  await mesh.advance(2_000)
  await expect(ada.send('ben', 'x', { act: 'request' })).rejects.toMatchObject({ code: 'peer-paused' })
  await ada.send('ben', 'a statement is no work')
  await mesh.advance(60_000)
  await ada.send('ben', 'probe', { act: 'request' })
  await expect(ada.send('ben', 'x', { act: 'request' })).rejects.toMatchObject({ code: 'peer-paused' })
})

test('dead letters: tried again, dropped', async () => {
  const { mesh, ada, ben } = await meshOf('ada', 'ben')
  let works = false
  ben.handle(
    'request',
    () => {
      if (!works) throw new Error('not yet')
      return 'now'
    },
    { maxAttempts: 1 },
  )
  const [one, two] = [await ada.send('ben', '1', { act: 'request' }), await ada.send('ben', '2', { act: 'request' })]
  await mesh.advance(1_000)
  works = true
  expect([ben.deadLetters.drop(one), ben.deadLetters.retry(two), ben.deadLetters.retry(one)]).toEqual([
    true,
    true,
    false,
  ])
  await mesh.advance(1_000)
  expect([ada.delivery(one)?.state, ada.delivery(two)?.state]).toEqual(['failed', 'done'])
  expect(ben.inbox().map(({ state }) => state)).toEqual(['dropped', 'done'])
})
