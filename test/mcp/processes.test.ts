import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { posthorn } from '../cli/posthorn.ts'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { mcpProcess } from './stdio.ts'

/** Half a dozen processes one after the other; a busy machine is no failure. */
const BUSY = { timeout: 120_000 }

/** A machine with two projects, each of which has an identity of its own. */
function machine() {
  const root = tempDir()
  const [one, two] = [join(root, 'one'), join(root, 'two')]
  for (const project of [one, two]) mkdirSync(join(project, '.git'), { recursive: true })
  return { one, two, env: { HOME: root, PATH: process.env['PATH'] ?? '' } }
}

test('two servers with homes of their own: send, sleep, wake, reply, receipts', BUSY, async () => {
  await using relay = await startRelay()
  const { one, two, env } = machine()
  const start = (project: string) => mcpProcess(env, ['--dir', project, '--relay', relay.url, '--host', 'claude-code'])
  const hook = (project: string, ...more: string[]) =>
    posthorn(['wake', '--host', 'claude-code', ...more], {
      env: { ...env, CLAUDECODE: '1' },
      input: JSON.stringify({ cwd: project, session_id: 's' }),
    })

  const a = await start(one)
  const b = await start(two)
  const [alice, bob] = [(await a.call('whoami')).data, (await b.call('whoami')).data]
  expect([alice.name, bob.name]).toEqual([expect.stringMatching(/^one-[0-9a-f]{6}$/), expect.stringMatching(/^two-/)])
  expect(alice.npub).not.toBe(bob.npub)
  expect(bob.wake).toEqual({ state: 'unverified', host: 'claude-code' })
  await b.client.close()

  const sent = (await a.call('post_message', { to: bob.name, text: 'wake up: xyzzy', act: 'request' })).data
  expect(sent.state).toBe('stored')
  // The hook holds the home, since nobody else does, and says nothing of what was written.
  const woken = await hook(two, '--wait', '20')
  expect(woken.code).toBe(2)
  expect(woken.stderr).not.toMatch(/xyzzy|one-/)
  const [, word = ''] = /wake "([0-9a-f]+)"/.exec(woken.stderr) ?? []

  const again = await start(two)
  const inbox = (await again.call('check_inbox', { wake: word, wait_s: 20 })).data
  expect(inbox.messages).toMatchObject([{ id: sent.id, name: alice.name, act: 'request' }])
  expect((await again.call('whoami')).data.wake).toMatchObject({ state: 'verified' })
  // Beside the running server, too; and what was heard is not told again.
  expect((await hook(two)).code).toBe(0)

  await again.call('ack_message', { ids: [sent.id], state: 'working' })
  const reply = (await again.call('post_message', { to: alice.name, text: 'awake', act: 'answer', reply_to: sent.id }))
    .data
  await again.call('ack_message', { ids: [sent.id], state: 'done' })

  const answer = (await a.call('check_inbox', { wait_s: 20 })).data
  expect(answer.messages).toMatchObject([{ id: reply.id, reply_to: sent.id, thread: sent.id }])
  await expect
    .poll(async () => (await a.call('message_status', { id: sent.id })).data)
    .toMatchObject({ state: 'done', replies: [reply.id] })
})

test('two editors on one project share its mail; the second takes over when the first ends', BUSY, async () => {
  await using relay = await startRelay()
  const { one, two, env } = machine()
  const start = (project: string) => mcpProcess(env, ['--dir', project, '--relay', relay.url])
  const [a, first] = [await start(one), await start(two)]
  // A profile is whose process opened it first.
  await expect.poll(async () => (await first.call('whoami')).data.runs_here).toBe(true)
  const second = await start(two)
  const name = (await first.call('whoami')).data.name
  expect((await second.call('whoami')).data).toMatchObject({ name, runs_here: false, relays: [{ state: 'unknown' }] })

  const { id } = (await a.call('post_message', { to: name, text: 'to both' })).data
  for (const editor of [first, second])
    expect((await editor.call('check_inbox', { wait_s: 20 })).data.messages).toMatchObject([{ id }])
  // Writes are handed over.
  const alice = (await a.call('whoami')).data.name
  const reply = (await second.call('post_message', { to: alice, text: 'from the second', reply_to: id })).data
  expect((await a.call('check_inbox', { wait_s: 20 })).data.messages).toMatchObject([{ id: reply.id, reply_to: id }])
  await second.call('ack_message', { ids: [id], state: 'done' })
  await expect.poll(async () => (await a.call('message_status', { id })).data.state).toBe('done')
  expect((await second.call('set_presence', { activity: 'pairing' })).data.told).toEqual(['activity'])
  const seen = async (editor: typeof a) => (await editor.call('list_contacts', { query: 'two-' })).data.agents
  await expect.poll(() => seen(a)).toMatchObject([{ name, about: expect.stringContaining('doing: pairing') }])
  // And others are seen from beside, over a connection of its own.
  expect((await second.call('list_contacts', { query: 'one-' })).data.agents).toMatchObject([
    { name: alice, presence: 'online' },
  ])

  await first.client.close()
  await expect.poll(async () => (await second.call('whoami')).data.runs_here).toBe(true)
  const later = (await a.call('post_message', { to: name, text: 'still there?' })).data
  expect((await second.call('check_inbox', { wait_s: 20 })).data.messages.at(-1)).toMatchObject({ id: later.id })
})

test('a server ends with its client, and whoever starts it wrongly is told', BUSY, async () => {
  const { one, env } = machine()
  const ended = await posthorn(['mcp', '--dir', one], { env, input: '' })
  // Hosts show what a server writes to stderr as an error.
  expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' })
  for (const wrong of [
    ['--profile', 'x'],
    ['--http', 'x'],
    ['--host', 'vim'],
    ['--http', '0.0.0.0:0'],
  ])
    expect(await posthorn(['mcp', '--dir', one, ...wrong], { env })).toMatchObject({ code: 2, stdout: '' })
  expect((await posthorn(['mcp', '--as', 'nobody'], { env })).code).toBe(3)
  const token = join(one, 'token')
  writeFileSync(token, 'a-token-of-some-length', { mode: 0o644 })
  const open = await posthorn(['mcp', '--dir', one, '--http', '127.0.0.1:0', '--token-file', token], { env })
  expect(open).toMatchObject({ code: 1, stderr: expect.stringContaining('chmod 600') })
})
