import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { machine } from './machine.ts'

const LONG = { timeout: 240_000 }
const SOON = { timeout: 90_000 }

test('opencode run: calls a tool, ends in its usual time, and is handed no notice', LONG, async () => {
  const { run, home, send, notices, saw, waiters } = await machine('opencode')
  const plain = await run('opencode', ['run', 'just hello'], { cwd: home })
  const called = await run('opencode', ['run', 'USE whoami {}'])
  expect(saw('npub')).toHaveLength(1)
  await send('xyzzy')
  const hello = await run('opencode', ['run', 'just hello'])
  for (const each of [plain, called, hello]) expect(each.code).toBe(0)
  console.log(`opencode run: ${plain.ms | 0} ms without our settings, ${hello.ms | 0} ms with them`)
  expect(notices()).toEqual([])
  expect(waiters()).toEqual([])
})

test.runIf(process.env['TEST_HOSTS'] === 'all')(
  'opencode: woken before the first turn and when idle; another session follows one that is deleted',
  LONG,
  async () => {
    const { start, run, send, saw, waiters, notices } = await machine('opencode')
    // opencode starts its MCP servers with the first prompt; before a project's first one it has no address.
    await run('posthorn', ['mcp'])
    const server = start('opencode', ['serve', '--port', '0', '--hostname', '127.0.0.1'])
    let url = ''
    for await (const line of createInterface({ input: server.stdout ?? process.stdin })) {
      url = /https?:\/\/[\d.:]+/.exec(line)?.[0] ?? ''
      if (url !== '') break
    }
    server.stdout?.resume()
    server.stderr?.resume()
    const call = async (method: string, path: string, body?: object) => {
      const init = {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body ? { body: JSON.stringify(body) } : {}),
      }
      const response = await fetch(url + path, init)
      return response.ok ? response.json().catch(() => undefined) : Promise.reject(new Error(await response.text()))
    }
    const prompt = (id: string, text: string) =>
      call('POST', `/session/${id}/message`, { parts: [{ type: 'text', text }] })
    const one: { id: string } = await call('POST', '/session', {})
    await expect.poll(waiters, SOON).toHaveLength(1)
    await send('xyzzy before the first turn')
    await expect.poll(() => saw('xyzzy before the first turn').length, SOON).toBe(1)
    await prompt(one.id, 'USE whoami {}')
    expect(saw('npub').length).toBeGreaterThan(0)
    await send('xyzzy when idle')
    await expect.poll(() => saw('xyzzy when idle').length, SOON).toBe(1)

    const two: { id: string } = await call('POST', '/session', {})
    await call('DELETE', `/session/${two.id}`)
    await expect.poll(waiters, SOON).toHaveLength(1)
    await send('xyzzy for the one that is left')
    await expect.poll(() => saw('xyzzy for the one that is left').length, SOON).toBe(1)
    expect(notices()).toHaveLength(3)
    await expect.poll(waiters, SOON).toHaveLength(1)
    server.kill('SIGKILL')
    await expect.poll(waiters, SOON).toEqual([])
  },
)
