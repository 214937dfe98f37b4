import {
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { expect, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { alice, bob, eventually, memoryAgent } from '../sdk/agents.ts'
import { currentClient, formerClient, postOf } from './posts.ts'

test('resources say what changed, to clients of both generations, and never what', async () => {
  await using relay = await startRelay()
  const a = await memoryAgent(alice, relay.url)
  const b = await memoryAgent(bob, relay.url)
  const post = postOf(a)
  const [current, former, deaf] = [await currentClient(post), await formerClient(post), await formerClient(post)]
  const heard: Record<'current' | 'former' | 'deaf', unknown[]> = { current: [], former: [], deaf: [] }
  current.client.setNotificationHandler(
    'notifications/resources/updated',
    ({ params }) => void heard.current.push(params),
  )
  former.client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void heard.former.push(params),
  )
  deaf.client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void heard.deaf.push(params))
  let listChanged = 0
  former.client.setNotificationHandler(ResourceListChangedNotificationSchema, () => {
    listChanged += 1
  })
  await current.client.listen({ resourceSubscriptions: ['posthorn://inbox'] })
  await former.client.subscribeResource({ uri: 'posthorn://inbox' })

  const id = await b.send('alice', 'the secret word is xyzzy')
  await eventually('told', () => heard.current.length > 0 && heard.former.length > 0 && listChanged > 0)
  expect(heard.former).toContainEqual({ uri: 'posthorn://inbox' })
  expect(heard.current).toContainEqual(expect.objectContaining({ uri: 'posthorn://inbox' }))
  expect(JSON.stringify(heard)).not.toContain('xyzzy')
  expect(heard.deaf).toEqual([])

  const uris = (await current.client.listResources()).resources.map(({ uri }) => uri)
  expect(uris).toEqual(['posthorn://inbox', 'posthorn://agents', 'posthorn://status', `posthorn://thread/${id}`])
  const read = async (uri: string) =>
    JSON.parse(((await former.client.readResource({ uri })).contents[0] as { text: string }).text)
  expect(await read('posthorn://inbox')).toMatchObject({ messages: [{ id, name: 'bob' }], has_more: false })
  expect((await read(`posthorn://thread/${id}`)).messages[0].body).toContain('xyzzy')
  expect(await read('posthorn://status')).toMatchObject({ name: 'alice', inbox: { unread: 1 } })
  expect(await read('posthorn://agents')).toMatchObject({ agents: [{ name: 'bob' }] })
  const { messages } = await former.client.getPrompt({ name: 'catch_up' })
  expect(JSON.stringify(messages)).toContain('There are 1 unread')
})
