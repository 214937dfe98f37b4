import { expect, test } from 'vitest'
import { machine } from './machine.ts'

const LONG = { timeout: 180_000 }
const SOON = { timeout: 60_000 }
const MODEL = ['--model', 'claude-opus-4-6', '--permission-mode', 'default']

test(
  'Claude Code: woken before its first turn and when idle, reads the mail, and leaves nothing behind',
  LONG,
  async () => {
    const { terminal, send, notices, saw, waiters, model } = await machine('claude-code')
    const claude = terminal('claude', MODEL)
    await expect.poll(waiters, SOON).toHaveLength(1)
    await send('xyzzy before the first turn')
    await expect.poll(() => saw('xyzzy before the first turn').length, SOON).toBe(1)
    // The model has the tools without searching for them, and no host's tool is called as one of ours.
    const tools = model.requests[0]?.tools ?? []
    const ours = tools
      .filter(name => name.startsWith('mcp__posthorn__'))
      .map(name => name.slice('mcp__posthorn__'.length))
    expect(ours).toContain('whoami')

    claude.type('USE whoami {}')
    await expect.poll(() => claude.text().includes('whoami'), SOON).toBe(true)
    claude.type('\r')
    await expect.poll(() => saw('"npub"').some(({ result }) => result?.includes('verified')), SOON).toBe(true)
    await expect.poll(waiters, SOON).toHaveLength(1)
    await send('xyzzy when idle')
    await expect.poll(() => saw('xyzzy when idle').length, SOON).toBe(1)
    expect(notices()).toHaveLength(2)
    await expect.poll(waiters, SOON).toHaveLength(1)
    claude.kill()
    await expect.poll(waiters, SOON).toEqual([])
  },
)

test('claude -p: ends in its usual time, with mail waiting and without', LONG, async () => {
  const { run, home, waiters, send, notices } = await machine('claude-code')
  const args = ['-p', 'just hello', ...MODEL]
  const plain = await run('claude', args, { cwd: home })
  const first = await run('claude', args)
  await run('posthorn', ['mcp'])
  await send('xyzzy')
  const second = await run('claude', args)
  for (const each of [plain, first, second])
    expect(each).toMatchObject({ code: 0, text: expect.stringContaining('hello') })
  console.log(`claude -p: ${plain.ms | 0} ms without our settings, ${first.ms | 0} and ${second.ms | 0} ms with them`)
  expect(notices()).toEqual([])
  expect(waiters()).toEqual([])
})

test.runIf(process.env['TEST_HOSTS'] === 'all')(
  'Claude Code: with streamed input it is woken, too, and ends with its input',
  LONG,
  async () => {
    const { start, send, saw, waiters } = await machine('claude-code')
    const format = ['--input-format', 'stream-json', '--output-format', 'stream-json', '--verbose']
    const claude = start('claude', ['-p', ...format, ...MODEL])
    for (const stream of [claude.stdout, claude.stderr]) stream?.resume()
    const ended = new Promise(resolve => claude.once('close', resolve))
    const say = (content: string) =>
      claude.stdin?.write(`${JSON.stringify({ type: 'user', message: { role: 'user', content } })}\n`)
    await expect.poll(waiters, SOON).toHaveLength(1)
    // Its first turns may come before the MCP server is there.
    const hasCalled = () => {
      if (saw('npub').length > 0) return true
      say('USE whoami {}')
      return false
    }
    await expect.poll(hasCalled, { ...SOON, interval: 3_000 }).toBe(true)
    await expect.poll(waiters, SOON).toHaveLength(1)
    await send('xyzzy streamed')
    await expect.poll(() => saw('xyzzy streamed').length, SOON).toBeGreaterThan(0)
    await expect.poll(waiters, SOON).toHaveLength(1)
    claude.stdin?.end()
    expect(await ended).toBe(0)
    await expect.poll(waiters, SOON).toEqual([])
  },
)

test.runIf(process.env['TEST_HOSTS'] === 'all')(
  'Claude Code: what a killed session did not look at, the next one is told of',
  LONG,
  async () => {
    const { terminal, send, notices, waiters } = await machine('claude-code', { ignores: true })
    const first = terminal('claude', MODEL)
    await expect.poll(waiters, SOON).toHaveLength(1)
    await send('xyzzy')
    await expect.poll(() => notices().length, SOON).toBe(1)
    first.kill()
    await expect.poll(waiters, SOON).toEqual([])
    const before = notices().length
    terminal('claude', MODEL)
    await expect.poll(() => notices().length, SOON).toBeGreaterThan(before)
  },
)

test.runIf(process.env['TEST_HOSTS'] === 'all')(
  'Claude Code: of two sessions of a project one is woken by a message, and the one that is left is not deaf',
  LONG,
  async () => {
    const { terminal, send, saw, notices, waiters } = await machine('claude-code')
    const one = terminal('claude', MODEL)
    const two = terminal('claude', MODEL)
    await expect.poll(waiters, SOON).toHaveLength(2)
    await send('xyzzy for one of two')
    await expect.poll(() => saw('xyzzy for one of two').length, SOON).toBe(1)
    await expect.poll(waiters, SOON).toHaveLength(2)
    expect(notices()).toHaveLength(1)
    two.kill()
    await expect.poll(waiters, SOON).toHaveLength(1)
    await send('xyzzy for the one that is left')
    await expect.poll(() => saw('xyzzy for the one that is left').length, SOON).toBe(1)
    one.kill()
    await expect.poll(waiters, SOON).toEqual([])
  },
)
