// Two agents write one document. One of them goes offline and writes on; when it is back, both have everything.
//   node examples/shared-document/edit.mjs
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { PosthornProvider } from 'posthorn/doc'
import { createRelay } from 'posthorn/relay'
import * as Y from 'yjs'
import { openNotes } from './notes.mjs'

const relay = await createRelay()
const relays = [await relay.listen({ port: 0 })]
const folder = mkdtempSync(join(tmpdir(), 'posthorn-example-'))
const ada = await openAgent({ home: join(folder, 'ada'), relays })
const bob = await openAgent({ home: join(folder, 'bob'), relays })

// The one line: was `new WebsocketProvider('wss://…', 'plan', new Y.Doc())`.
const hers = new PosthornProvider(new Y.Doc(), { agent: ada, id: 'plan' })
const adas = openNotes(hers)
await adas.synced()
await hers.shared.invite('bob') // a profile beside hers; anybody else by npub

const his = new PosthornProvider(new Y.Doc(), { agent: bob, id: 'ada/plan' })
const bobs = openNotes(his)
await bobs.synced()

adas.add('collect sources')
await bobs.until(() => bobs.lines().length === 1)
bobs.finish('collect sources')

// Bob goes into a tunnel, and both go on.
his.disconnect()
bobs.add('write chapter one')
adas.add('find an editor')
his.connect()

const all = notes => notes.until(() => notes.lines().length === 3 && notes.lines().includes('[x] collect sources'))
await Promise.all([all(adas), all(bobs)])
console.log(adas.lines().toSorted().join('\n'))
console.log(hers.shared.digest() === his.shared.digest() ? 'both have the same' : 'they differ')

for (const provider of [hers, his]) await provider.destroy()
for (const agent of [ada, bob]) await agent.close()
await relay.close()
