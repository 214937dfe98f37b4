import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { openDoc } from 'posthorn/doc'
import { expect, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess, json } from './posthorn.ts'

test('a document: made, shared, written by a program, shown, and taken away again', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const run = (line: string) => inProcess(line.split(' '), { env: { XDG_DATA_HOME: root } })
  for (const name of ['ann', 'bob']) await run(`init --as ${name} --relay ${relay.url}`)

  expect(await run('doc show plan --as ann --json')).toMatchObject({
    code: 3,
    stdout: '',
    stderr: expect.stringContaining('"code":"doc-unknown"'),
  })
  expect(json(await run('doc create plan --as ann --json'))).toMatchObject({ created: true, public: false })
  expect(json(await run('doc create plan --as ann --json'))).toMatchObject({ created: false })
  expect(await run('doc create bob/plan --as ann')).toMatchObject({ code: 2 })
  expect(await run('doc show plan --as ann')).toMatchObject({ code: 3, stderr: 'there is nothing in it\n' })
  expect(await run('doc members ann/plan --as bob')).toMatchObject({ code: 4, stdout: '' })

  expect(await run('doc invite plan bob --role boss --as ann')).toMatchObject({ code: 2 })
  expect(await run('doc invite plan nobody --as ann')).toMatchObject({ code: 3 })
  const invited = await run('doc invite plan bob --role write --as ann --json')
  expect(json(invited)).toMatchObject({ document: 'plan', role: 'write', generation: 0 })
  const bob = await openAgent({ home: join(root, 'posthorn', 'bob') })
  const plan = await openDoc(bob, 'ann/plan')
  await plan.whenSynced()
  plan.doc.getText('title').insert(0, 'chapter one')
  await plan.flush()
  await bob.close()

  expect((await run('doc show plan --as ann')).stdout).toBe('title:\nchapter one\n')
  expect((await run('doc members plan --as ann')).lines).toEqual(['admin     you', 'write     bob'])
  expect(await run('doc remove ann/plan ann --as bob')).toMatchObject({ code: 4 })
  expect(json(await run('doc compact plan --as ann --json'))).toMatchObject({ document: 'plan', generation: 1 })
  const removed = await run('doc remove plan bob --as ann --json')
  expect(json(removed)).toMatchObject({ pubkey: bob.pubkey, role: null, generation: 2 })
  expect(await run('doc remove plan bob --as ann')).toMatchObject({ code: 4 })
})

test('nothing is made while nobody knows whether it is there already', async () => {
  const env = { XDG_DATA_HOME: tempDir() }
  await inProcess(['init', '--relay', 'ws://127.0.0.1:9'], { env })
  expect(await inProcess(['doc', 'create', 'plan', '--timeout', '0.2'], { env })).toMatchObject({ code: 5, stdout: '' })
})

test('beside a running agent of the profile, which does what is asked and answers', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const run = (line: string) => inProcess(line.split(' '), { env: { XDG_DATA_HOME: root } })
  for (const name of ['ann', 'bob']) await run(`init --as ${name} --relay ${relay.url}`)
  const ann = await openAgent({ home: join(root, 'posthorn', 'ann') })

  // It has no document open, and never had.
  expect(await run('doc show plan --as ann --json')).toMatchObject({ code: 3, stdout: '' })
  expect(json(await run('doc create plan --as ann --json'))).toMatchObject({ document: 'plan', created: true })
  const invited = await run('doc invite plan bob --role write --as ann --json')
  expect(json(invited)).toMatchObject({ document: 'plan', role: 'write', generation: 0 })
  expect(invited.stderr).toContain('done by the running agent')
  expect(await run('doc invite plan nobody --as ann')).toMatchObject({ code: 3 })

  // Its own program has it open: the same Y.Doc is asked, changes that were just made included.
  const plan = await openDoc(ann, 'plan')
  await plan.whenSynced()
  plan.doc.getText('title').insert(0, 'chapter one')
  expect((await run('doc show plan --as ann')).stdout).toBe('title:\nchapter one\n')
  expect(json(await run('doc remove plan bob --as ann --json'))).toMatchObject({ role: null, generation: 1 })
  expect(plan.members().map(({ pubkey }) => pubkey)).toEqual([ann.pubkey])
  expect(await run('doc remove plan bob --as ann')).toMatchObject({ code: 4 })
  plan.doc.getText('title').insert(11, ', and on')
  await ann.close()
  expect((await run('doc show plan --as ann')).stdout).toBe('title:\nchapter one, and on\n')
})
