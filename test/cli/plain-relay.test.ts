import { spawn } from 'node:child_process'
import { readProfile } from 'posthorn'
import { expect, test } from 'vitest'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { mcpProcess } from '../mcp/stdio.ts'
import { messageTo } from '../sdk/agents.ts'
import { plainRelay } from '../sdk/plain-relay.ts'
import { BIN, inProcess, json } from './posthorn.ts'

test('a relay that gives 5 of 20 messages of one second: catchup, inbox, status, doctor and MCP say so', async () => {
  const folder = tempDir()
  const env = { XDG_DATA_HOME: folder }
  const run = (line: string) => inProcess(line.split(' '), { env })
  const events: Parameters<typeof plainRelay>[0] = []
  const { url } = await plainRelay(events, { cap: 5 }).relay
  await run(`init --as ada --relay ${url}`)
  const { pubkey } = readProfile(`${folder}/posthorn/ada`)
  const ada: Person = { ...person('ada'), pubkey }
  const at = nowSeconds() - 100
  for (let n = 0; n < 20; n += 1) events.push(messageTo(ada, person('bob'), `${n}`, at))

  const catchup = await run('catchup --as ada --json')
  expect(catchup.code).toBe(5)
  expect(json(catchup)).toMatchObject({
    complete: false,
    synced: false,
    relays: [{ partial: expect.stringContaining('one second') }],
  })
  const said = await run('catchup --as ada')
  expect([said.code, said.stdout]).toEqual([5, expect.stringContaining('may have mail that is not here')])
  expect((await run('inbox --as ada')).stderr).toContain('may have more')
  const status = await run('status --as ada --json')
  expect(json(status)).toMatchObject({
    synced: false,
    allWell: false,
    relays: [{ state: 'live', partial: expect.any(String) }],
  })
  expect((await run('status --as ada')).stdout).toContain('may have more than it gave')
  expect(JSON.stringify((await run('doctor --as ada --json')).stdout)).toContain('relay-partial')
  const mcp = await mcpProcess({ ...process.env, ...env } as Record<string, string>, ['--as', 'ada'])
  await expect
    .poll(async () => JSON.stringify(await mcp.call('whoami')), { timeout: 20_000 })
    .toContain('relay-partial')
}, 60_000)

test('sync of two relays, one of which gives 5 at once: it says what it does not know, exit 5', async () => {
  const at = nowSeconds() - 100
  const note = (n: number) => person('zoe').sign({ content: `${n}`, created_at: at })
  const first = await plainRelay(
    Array.from({ length: 20 }, (_, n) => note(n)),
    { cap: 5 },
  ).relay
  const second = await plainRelay([], {}).relay
  const ended = await new Promise<{ code: number | null; stderr: string }>(resolve => {
    const child = spawn(process.execPath, [BIN, 'sync', first.url, second.url, '{"kinds":[1]}', '--timeout', '4000'], {
      env: { ...process.env, XDG_DATA_HOME: tempDir() },
    })
    let stderr = ''
    child.stderr.on('data', chunk => {
      stderr += String(chunk)
    })
    child.on('close', code => resolve({ code, stderr }))
  })
  expect(ended).toMatchObject({ code: 5, stderr: expect.stringContaining('may have more than was compared') })
}, 60_000)
