import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse } from 'smol-toml'
import { expect, test } from 'vitest'
import { type Machine, machine } from './machine.ts'

const LONG = { timeout: 240_000 }
const SOON = { timeout: 60_000 }

test('codex exec: calls a tool, ends in its usual time, and is handed no notice', LONG, async () => {
  const { run, home, send, notices, saw, waiters } = await machine('codex')
  const exec = (...more: string[]) => run('codex', ['exec', '--dangerously-bypass-hook-trust', ...more])
  const plain = await run('codex', ['exec', '--skip-git-repo-check', 'just hello'], { cwd: home })
  const called = await exec('USE whoami {}')
  expect(called.text).toContain('turn over')
  expect(saw('npub')).toHaveLength(1)
  await send('xyzzy')
  const hello = await exec('just hello')
  for (const each of [plain, called, hello]) expect(each.code).toBe(0)
  console.log(`codex exec: ${plain.ms | 0} ms without our settings, ${hello.ms | 0} ms with them`)
  expect(notices()).toEqual([])
  expect(waiters()).toEqual([])
})

test.runIf(process.env['TEST_HOSTS'] === 'all')(
  'Codex: woken when idle, and by mail that an ended session left; what waits ends with it',
  LONG,
  async () => {
    const made = await machine('codex')
    const { terminal, run, send, saw, waiters } = made
    await trustHooks(made)
    await run('posthorn', ['mcp'])
    await send('xyzzy left over')
    expect((await run('codex', ['exec', 'just hello'])).code).toBe(0)
    expect(saw('xyzzy')).toEqual([])

    const codex = terminal('codex', [])
    const say = async (text: string) => {
      codex.type(text)
      await expect.poll(() => codex.text().includes(text), SOON).toBe(true)
      codex.type('\r')
    }
    await expect.poll(() => codex.text().includes('Ask Codex'), SOON).toBe(true)
    await say('just hello')
    await expect.poll(() => saw('xyzzy left over').length, SOON).toBeGreaterThan(0)
    await expect.poll(waiters, SOON).toHaveLength(1)
    await send('xyzzy when idle')
    await expect.poll(() => saw('xyzzy when idle').length, SOON).toBeGreaterThan(0)
    await expect.poll(waiters, SOON).toHaveLength(1)
    codex.kill()
    await run('codex', ['app-server', 'daemon', 'stop'])
    await expect.poll(waiters, SOON).toEqual([])
  },
)

/** What a user does in /hooks. */
async function trustHooks({ start, home, folder }: Machine): Promise<void> {
  const server = start('codex', ['app-server'])
  const say = (message: object) => server.stdin?.write(`${JSON.stringify(message)}\n`)
  say({ id: 1, method: 'initialize', params: { clientInfo: { name: 'test', version: '1' } } })
  say({ method: 'initialized' })
  say({ id: 2, method: 'hooks/list', params: { cwds: [folder] } })
  for await (const line of createInterface({ input: server.stdout ?? process.stdin })) {
    const { id, result } = JSON.parse(line)
    if (id !== 2) continue
    const path = join(home, '.codex/config.toml')
    for (const { key, currentHash } of result.data[0].hooks)
      appendFileSync(path, `[hooks.state.${JSON.stringify(key)}]\ntrusted_hash = ${JSON.stringify(currentHash)}\n`)
    expect(parse(readFileSync(path, 'utf8'))).toHaveProperty('hooks')
    break
  }
  server.kill('SIGKILL')
}
