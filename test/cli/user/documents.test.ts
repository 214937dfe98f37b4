import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { openDoc } from 'posthorn/doc'
import { expect, test } from 'vitest'
import { startRelay } from '../../helpers/start-relay.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { json, jsonLines } from '../posthorn.ts'
import { inPackage } from './user.ts'

test('doc show, members, history: as text and as JSON by their schemas, and each exit code', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const run = (line: string) => inPackage(line.split(' '), { env: { XDG_DATA_HOME: root } })
  for (const name of ['ann', 'bob', 'eve']) await run(`init --as ${name} --relay ${relay.url}`)

  const ann = await openAgent({ home: join(root, 'posthorn', 'ann') })
  const plan = await openDoc(ann, 'plan')
  plan.doc.getText('title').insert(0, 'chapter \u001b[2Jone')
  plan.doc.getMap('tasks').set('intro', 'bob')
  await plan.invite('bob', 'write')
  await plan.flush()
  await ann.close()

  const said = { title: 'chapter \u001b[2Jone', tasks: { intro: 'bob' } }
  expect(json(await run('doc show plan --as ann --json'))).toEqual({ v: 1, document: 'plan', content: said })
  expect(json(await run('doc show ann/plan --as bob --json'))).toMatchObject({ content: said })
  const shown = await run('doc show ann/plan --as bob')
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('title:\nchapter ') })
  expect(shown.stdout).not.toContain('\u001b')

  const members = jsonLines(await run('doc members ann/plan --as bob --json'))
  expect(members.map(({ role }) => role).sort()).toEqual(['admin', 'write'])
  expect((await run('doc members ann/plan --as bob')).stdout).toMatch(/^write\s+you$/m)

  const history = await run('doc history plan --as ann --json')
  expect(history.code).toBe(0)
  expect(jsonLines(history).every(({ author }) => author === ann.pubkey)).toBe(true)
  expect(history.lines.length).toBeGreaterThan(0)
  expect((await run('doc history plan --as ann')).stdout).toMatch(/^\d{4}-.* B {2}you$/m)

  expect(await run('doc show nothing --as ann --json')).toMatchObject({ code: 3, stdout: '' })
  expect(await run('doc show ann/plan --as eve --json')).toMatchObject({ code: 4, stdout: '' })
  expect(await run('doc show --as ann')).toMatchObject({ code: 2 })
  expect(await run('doc show ann/other --as eve --relay ws://127.0.0.1:9 --timeout 1')).toMatchObject({ code: 5 })
})
