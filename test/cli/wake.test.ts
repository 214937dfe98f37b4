import { join } from 'node:path'
import { createProfile, openAgent } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess } from './posthorn.ts'

test('a notice tells how much waits and nothing else, once per message, in the way each host is woken', async () => {
  await using relay = await startRelay()
  const root = tempDir()
  const home = join(root, 'alice')
  createProfile({ home, relays: [relay.url] })
  const bob = await openAgent({ home: join(root, 'bob'), relays: [relay.url], announce: false, presence: false })
  onTestFinished(async () => void (await bob.close({ timeoutMs: 100 })))
  const wake = (host: string, ...more: string[]) =>
    inProcess(['wake', '--host', host, '--home', home, ...more], {
      input: '{"session_id":"t-1"}',
      env: { PATH: root },
    })
  const send = async (text: string) => void (await bob.stored(await bob.send('alice', text)))

  expect(await wake('claude-code')).toMatchObject({ code: 0, stdout: '', stderr: '' })
  await send('xyzzy one')
  await send('xyzzy two')
  const claude = await wake('claude-code', '--wait', '20')
  expect(claude).toMatchObject({ code: 2, stdout: '' })
  expect(claude.stderr).toMatch(
    /^posthorn: [12] new messages? from other agents\. Call the posthorn tool check_inbox with wake "[0-9a-f]{8}" to see them\.\n$/,
  )
  // The same mail does not wake twice, whoever asks.
  if (claude.stderr.includes('1 new')) await wake('claude-code', '--wait', '20')
  expect(await wake('claude-code')).toMatchObject({ code: 0, stderr: '' })
  expect(await wake('codex')).toMatchObject({ code: 0, stdout: '' })

  await send('xyzzy three')
  // A thread that nobody runs (or no codex at all): what was not told stays to be told.
  expect(await wake('codex', '--thread', 'no-such-thread', '--wait', '20')).toMatchObject({ code: 1, stdout: '' })
  const codex = await wake('codex')
  expect(JSON.parse(codex.stdout)).toEqual({
    decision: 'block',
    reason: expect.stringMatching(/^posthorn: 1 new message /),
  })
  const waiting = wake('opencode', '--wait', '20')
  await send('xyzzy four')
  expect(await waiting).toMatchObject({ code: 0, stdout: expect.stringMatching(/^posthorn: \d new message/) })
  expect(JSON.stringify([claude, codex, await waiting])).not.toMatch(/xyzzy|bob/)

  // Each turn's end starts a waiter; the one before it ends.
  const former = wake('opencode', '--wait', '20')
  expect(await wake('opencode', '--wait', '0.1')).toMatchObject({ code: 0, stdout: '' })
  expect(await former).toMatchObject({ code: 0, stdout: '' })
})

test('before the first start of its MCP server a project has no mail, and that is no error', async () => {
  const root = tempDir()
  const env = { HOME: root }
  expect(await inProcess(['wake', '--host', 'codex', '--dir', root], { env })).toMatchObject({ code: 0, stderr: '' })
  expect((await inProcess(['wake'], { env })).code).toBe(2)
})
