import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { serveMcpHttp } from '#dist/mcp/index.js'
import { startRelay } from '../helpers/start-relay.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { alice, memoryAgent } from '../sdk/agents.ts'
import { postOf } from './posts.ts'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const SUITE = here('../../node_modules/@modelcontextprotocol/conformance/dist/index.js')
const SHIM = here('./glob-shim.mjs')

/**
 * Of the official suite's server scenarios, those that suit any server. The others call tools, resources and prompts of an
 * example server by name (`test_simple_text`, `test://static-text`), or are about what we do not offer: logging, completion,
 * sampling, elicitation.
 */
const OURS = [
  'server-initialize',
  'ping',
  'tools-list',
  'server-sse-multiple-streams',
  'resources-list',
  'prompts-list',
  'dns-rebinding-protection',
]

test('the official conformance suite, as far as it is about any server', { timeout: 120_000 }, async () => {
  await using relay = await startRelay()
  const server = await serveMcpHttp(postOf(await memoryAgent(alice, relay.url)), { host: '127.0.0.1', port: 0 })
  onTestFinished(() => server.close())
  const args = ['--import', SHIM, SUITE, 'server', '--url', server.url]
  // It fails as a whole for the scenarios that are not ours.
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: tempDir(), maxBuffer: 2 ** 25 }).catch(
    (failed: { stdout: string }) => failed,
  )
  const told = Object.fromEntries(
    [...stdout.matchAll(/^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed$/gmu)].map(([, name = '', , failed]) => [
      name,
      Number(failed),
    ]),
  )
  expect(Object.keys(told).length).toBeGreaterThan(20)
  expect(Object.fromEntries(OURS.map(name => [name, told[name]]))).toEqual(
    Object.fromEntries(OURS.map(name => [name, 0])),
  )
})
