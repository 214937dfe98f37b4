import { createServer, type Server } from 'node:net'
import { connect, createMemoryMailStore, type MailStore } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { openSqliteMailStore } from '#dist/sdk/home/sqlite-mail-store.js'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, bob, contactsOf, memoryAgent } from './agents.ts'
import { type Script, scriptedRelay } from './scripted-relay.ts'

/** Far below the minutes that lists of others used to cost, far above what a loaded machine needs. */
const SOON_MS = 25_000

/** Accepts TCP connections and says nothing, ever. */
async function deafServer(): Promise<string> {
  const server: Server = createServer(socket => void socket.on('error', () => {}))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const address = server.address()
  return `ws://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

const silent: Script = () => {}
const answersQuestionsAlone: Script = (peer, frame) => void (frame[0] === 'REQ' && peer.send('EOSE', frame[1]))
const slow: Script = (peer, frame) => {
  if (frame[0] === 'REQ') peer.send('EOSE', frame[1])
  if (frame[0] === 'EVENT') setTimeout(() => peer.send('OK', frame[1].id, true, ''), 900)
}

const stores: readonly (readonly [string, () => MailStore])[] = [
  ['memory', createMemoryMailStore],
  ['SQLite', () => openSqliteMailStore(`${tempDir()}/mail.db`)],
]

test.each(stores)(
  '16 contacts with 8 silent or slow relays each: mail to another contact is not kept waiting (%s)',
  async (_, open) => {
    await using hub = await startRelay()
    await using theirs = await startRelay()
    const bad = [
      (await scriptedRelay(silent)).url,
      await deafServer(),
      (await scriptedRelay(answersQuestionsAlone, peer => peer.send('AUTH', 'who are you?'))).url,
      (await scriptedRelay(slow)).url,
    ]
    const hostile = Array.from({ length: 16 }, (_, n) => person(`hostile ${n}`))
    const client = await connect(hub.url)
    const list = (who: Person, urls: readonly string[]) =>
      client.publish(
        who.sign({ kind: 10_050, created_at: nowSeconds(), tags: urls.map((url): [string, string] => ['relay', url]) }),
      )
    for (const [n, who] of hostile.entries())
      await list(
        who,
        Array.from({ length: 8 }, (_, m) => `${bad[n % bad.length]}/${n}-${m}`),
      )
    await list(bob, [theirs.url])
    await client.close()

    const agent = await memoryAgent(alice, hub.url, { store: open(), contacts: contactsOf(bob, ...hostile) })
    for (const { name } of hostile.slice(0, 8)) for (const text of ['one', 'two', 'three']) await agent.send(name, text)
    const early = await agent.send('bob', 'in the middle')
    for (const { name } of hostile.slice(8)) for (const text of ['one', 'two', 'three']) await agent.send(name, text)
    const late = await agent.send('bob', 'after all of them')
    for (const id of [early, late])
      expect(await agent.stored(id, { timeout: SOON_MS })).toMatchObject({ state: 'stored', relay: theirs.url })
    // Ephemerals need a slot as well, and are told as what became of them where it matters.
    const ear = await memoryAgent(bob, theirs.url, { contacts: contactsOf(alice) })
    let heard = 0
    ear.on('ephemeral', () => {
      heard += 1
    })
    await ear.sync()
    const told = await agent.send('bob', 'psst', { ephemeral: true })
    expect(agent.delivery(told)?.state).toBe('sent')
    await expect.poll(() => heard, { timeout: SOON_MS }).toBe(1)
  },
  60_000,
)

test('a contact whose list names the relay of another among silent ones does not take that one along', async () => {
  await using hub = await startRelay()
  await using theirs = await startRelay()
  const { url } = await scriptedRelay(silent)
  const hostile = Array.from({ length: 16 }, (_, n) => person(`hostile ${n}`))
  const client = await connect(hub.url)
  const list = (who: Person, urls: readonly string[]) =>
    client.publish(
      who.sign({ kind: 10_050, created_at: nowSeconds(), tags: urls.map((each): [string, string] => ['relay', each]) }),
    )
  for (const [n, who] of hostile.entries())
    await list(who, [...Array.from({ length: 7 }, (_, m) => `${url}/${n}-${m}`), theirs.url])
  await list(bob, [theirs.url])
  await client.close()
  const agent = await memoryAgent(alice, hub.url, { contacts: contactsOf(bob, ...hostile) })
  for (const { name } of hostile) await agent.send(name, 'one')
  const id = await agent.send('bob', 'two')
  expect(await agent.stored(id, { timeout: SOON_MS })).toMatchObject({ state: 'stored', relay: theirs.url })
}, 60_000)
