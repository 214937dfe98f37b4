import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createProfile, memoryShelf, openAgent } from 'posthorn'
import { expect, onTestFinished, test } from 'vitest'
import { agentHostNamed } from '#dist/cli/install/agent-hosts.js'
import { noticeOf } from '#dist/cli/install/notice.js'
import { openMailbox } from '#dist/cli/mailbox.js'
import type { WakeSession } from '#dist/cli/wake-session.js'
import { wakePathOn } from '#dist/mcp/index.js'
import { systemTimers } from '#dist/platform/timers.js'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess } from './posthorn.ts'

/** A session of Claude Code with a person before it. */
const CLAUDE = { CLAUDECODE: '1', CLAUDE_CODE_ENTRYPOINT: 'cli', CLAUDE_CODE_SESSION_ATTENDED: '1' }

/** alice, who is woken, and bob, who writes. */
async function scene(relay: string) {
  const root = tempDir()
  const home = join(root, 'alice')
  createProfile({ home, relays: [relay] })
  const bob = await openAgent({ home: join(root, 'bob'), relays: [relay], announce: false, presence: false })
  onTestFinished(async () => void (await bob.close({ timeoutMs: 100 })))
  const wakeAs = (env: Record<string, string>, host: string, ...more: string[]) =>
    inProcess(['wake', '--host', host, '--home', home, ...more], {
      input: '{"session_id":"t-1"}',
      env: { PATH: root, ...env },
    })
  return {
    root,
    home,
    wakeAs,
    wake: (host: string, ...more: string[]) => wakeAs(CLAUDE, host, ...more),
    send: async (text: string) => void (await bob.stored(await bob.send('alice', text))),
  }
}

test('a notice tells how much waits and nothing else, in the way each host is woken', async () => {
  await using relay = await startRelay()
  const { wake, send } = await scene(relay.url)

  expect(await wake('claude-code')).toMatchObject({ code: 0, stdout: '', stderr: '' })
  await send('xyzzy one')
  await send('xyzzy two')
  const claude = await wake('claude-code', '--wait', '20')
  expect(claude).toMatchObject({ code: 2, stdout: '' })
  expect(claude.stderr).toMatch(
    /^posthorn: [12] new messages? from other agents\. Call the posthorn tool check_inbox with wake "[0-9a-f]{8}" to see them\.\n$/,
  )
  // While its model has a moment to look, the same mail wakes no other session.
  if (claude.stderr.includes('1 new')) await wake('claude-code', '--wait', '20')
  expect(await wake('claude-code')).toMatchObject({ code: 0, stderr: '' })
  expect(await wake('codex')).toMatchObject({ code: 0, stdout: '' })

  await send('xyzzy three')
  // A thread that runs nowhere (or no codex at all): the notice does not count.
  expect(await wake('codex', '--thread', 'no-such-thread', '--wait', '20')).toMatchObject({ code: 1, stdout: '' })
  const codex = await wake('codex')
  expect(JSON.parse(codex.stdout)).toEqual({
    decision: 'block',
    reason: expect.stringMatching(/^posthorn: 3 new messages /),
  })
  const waiting = wake('opencode', '--thread', 't-2', '--wait', '20')
  await send('xyzzy four')
  expect(await waiting).toMatchObject({ code: 0, stdout: expect.stringMatching(/^posthorn: \d new message/) })
  expect(JSON.stringify([claude, codex, await waiting])).not.toMatch(/xyzzy|bob/)
})

test('each end of a turn starts a waiter in the place of the one before; other sessions keep theirs', async () => {
  await using relay = await startRelay()
  const { wake, send } = await scene(relay.url)
  const former = wake('opencode', '--thread', 's-1', '--wait', '25')
  const other = wake('opencode', '--thread', 's-2', '--wait', '25')
  expect(await wake('opencode', '--thread', 's-1', '--wait', '0.1')).toMatchObject({ code: 0, stdout: '' })
  expect(await former).toMatchObject({ code: 0, stdout: '' })
  await send('for the one that is left')
  expect(await other).toMatchObject({ code: 0, stdout: expect.stringContaining('1 new message') })
})

test('who cannot be woken is neither held up nor handed a notice', async () => {
  await using relay = await startRelay()
  const { wakeAs, send } = await scene(relay.url)
  await send('waits for a session that goes on')
  const oneShot = { CLAUDECODE: '1', CLAUDE_CODE_ENTRYPOINT: 'sdk-cli' }
  const others = {
    'claude -p': { ...oneShot, CLAUDE_CODE_SESSION_ATTENDED: '0' },
    'claude -p of earlier versions': oneShot,
    'another program that reads the same settings': {},
    'the same, started from a terminal of Claude Code': { ...CLAUDE, CLAUDE_PID: '1' },
  }
  for (const [who, env] of Object.entries(others))
    expect(await wakeAs(env, 'claude-code', '--wait', '1000'), who).toMatchObject({ code: 0, stdout: '', stderr: '' })
  const own = { ...CLAUDE, CLAUDE_PID: String(process.ppid) }
  expect(await wakeAs(own, 'claude-code', '--wait', '20')).toMatchObject({ code: 2 })
})

test('told until a model has heard of it: again in a session that is left, at once where the one before has ended', async () => {
  await using relay = await startRelay()
  const { home, send } = await scene(relay.url)
  const mailbox = await openMailbox({ home, relays: undefined, passphrase: async () => '', timers: systemTimers })
  onTestFinished(() => mailbox.close())
  const wakePath = wakePathOn(memoryShelf())
  const gone = spawnSync(process.execPath, ['-e', '']).pid
  const session = (id: string, pid: number): WakeSession => ({
    id,
    pid,
    canWake: true,
    isOnly: false,
    isStarting: false,
    isLeft: false,
  })
  const tell = (to: WakeSession, now: number) =>
    noticeOf(mailbox, wakePath, agentHostNamed('claude-code'), to, now * 1000)
  const [one, two] = [session('one', process.pid), session('two', process.pid)]

  expect(tell(one, 0)).toBe(undefined)
  await send('first')
  await expect.poll(() => tell(one, 1000)?.text).toContain('1 new message')
  // Its model has a moment to look, before anybody is asked again.
  expect(tell(one, 1009)).toBe(undefined)
  expect(tell(two, 1009)).toBe(undefined)
  expect(tell(two, 1010)).toBeDefined()
  expect(tell(one, 1011)).toBe(undefined)
  expect(tell(one, 1020)).toBeDefined()
  // A model that does not look is asked less and less often.
  expect(tell(one, 1079)).toBe(undefined)
  const again = tell(one, 1080)
  expect(tell(one, 1379)).toBe(undefined)
  // The clock was set back by a day.
  expect(tell(one, -86_000)).toBeDefined()
  // New mail is told of at once, with what is still unheard.
  await send('second')
  await expect.poll(() => tell(one, 1100)?.text).toContain('2 new messages')

  // Of one session the last two words are known.
  expect(wakePath.echo(again?.word ?? '', 1)).toBe(false)
  const ended = tell(session('ended', gone), 2000)
  expect(ended?.text).toContain('2 new messages')
  expect(tell(session('next', process.pid), 2000)).toBeDefined()
  expect(wakePath.echo(ended?.word ?? '', 1)).toBe(true)
  for (const each of [one, two]) expect(tell(each, 90_000)).toBe(undefined)
  expect(wakePath.status()).toMatchObject({ state: 'verified' })

  await send('third')
  await expect.poll(() => tell(one, 95_000)?.text).toContain('1 new message')
  expect(wakePath.status()).toMatchObject({ unheard: true })
  wakePath.listed(mailbox.inbox({ limit: 1 })[0]?.arrival ?? 0)
  expect(tell(two, 99_000)).toBe(undefined)
  expect(wakePath.status()).not.toHaveProperty('unheard')
})

test('before the first start of its MCP server a project has no mail, and that is no error', async () => {
  const root = tempDir()
  const env = { HOME: root }
  expect(await inProcess(['wake', '--host', 'codex', '--dir', root], { env })).toMatchObject({ code: 0, stderr: '' })
  expect((await inProcess(['wake'], { env })).code).toBe(2)
})
