import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { namesJson, wellKnown } from '../helpers/well-known.ts'
import { eventually } from '../sdk/agents.ts'
import { inProcess, json, messagesOf } from './posthorn.ts'

test('an internet name is somebody to write to and to know, for a verb alone and beside a running agent', async () => {
  await using own = await startRelay()
  await using theirs = await startRelay()
  const [env, elsewhere] = [{ XDG_DATA_HOME: tempDir() }, { XDG_DATA_HOME: tempDir() }]
  const run = (line: string) => inProcess(line.split(' '), { env })
  await run(`init --as ann --relay ${own.url}`)
  const bob = json(await inProcess(['init', '--as', 'bob', '--relay', theirs.url, '--json'], { env: elsewhere }))
  const inbox = async () =>
    messagesOf(await inProcess(['inbox', '--as', 'bob', '--json'], { env: elsewhere })).map(({ text }) => text)
  const pubkey = String(bob['pubkey'])
  let isAway = false
  const answer = namesJson({ bob: pubkey }, { [pubkey]: [theirs.url] })
  const domain = await wellKnown((request, response) =>
    isAway ? response.writeHead(503).end() : answer(request, response),
  )
  const name = `bob@${domain.host}`

  const sent = await run(`send ${name} one --as ann --json`)
  expect([sent.code, json(sent)]).toMatchObject([0, { state: 'stored' }])
  expect(await inbox()).toEqual(['one'])
  expect(await run(`send eve@${domain.host} two --as ann`)).toMatchObject({
    code: 3,
    stderr: expect.stringContaining(`knows nobody called eve@${domain.host}`),
  })
  isAway = true
  expect(await run(`send mallory@${domain.host} three --as ann`)).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('HTTP status 503'),
  })
  expect(await run(`contact add mal mallory@${domain.host} --as ann`)).toMatchObject({ code: 5 })
  isAway = false

  const agent = await openAgent({ home: join(env.XDG_DATA_HOME, 'posthorn', 'ann'), presence: false })
  onTestFinished(async () => void (await agent.close({ timeoutMs: 100 })))
  const carol = person('carol').pubkey
  const second = await wellKnown(namesJson({ carol }, { [carol]: [theirs.url] }))
  const beside = json(await run(`send carol@${second.host} four --as ann --json`))
  await eventually('it went to the relay that the domain named', () =>
    agent.copies(String(beside['id'])).some(({ relay, state }) => relay === theirs.url && state === 'stored'),
  )
  expect(await run(`contact add bob ${name} --as ann`)).toMatchObject({ code: 0 })
  await eventually('known with its relays', () =>
    agent.contacts.list().some(each => each.name === 'bob' && each.relays?.[0] === theirs.url),
  )
  expect(domain.asked.filter(path => path.endsWith('name=bob'))).toHaveLength(1)
})
