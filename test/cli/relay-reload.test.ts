import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect as connectClient } from 'posthorn'
import { expect, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { connect, isFor } from '../relay/wire.ts'
import { start } from './posthorn.ts'

const alice = person('alice')

test('SIGHUP: what can change changes with every connection open, what cannot is named, a mistake changes nothing', async () => {
  const folder = tempDir()
  const config = join(folder, 'posthorn.toml')
  const configure = (...lines: string[]) => writeFileSync(config, [...lines, ''].join('\n'))
  configure('log-format = "json"', 'allow-kinds = ["1"]')
  const relay = start(['relay', '--port', '0', '--data', join(folder, 'data'), '--config', config, '--json'])
  await relay.says('"event":"listening"')
  const [, url = ''] = /"listening":"([^"]+)"/.exec(await relay.says('listening')) ?? []
  const wire = await connect(url)
  await wire.request('open', { kinds: [1, 7] })
  const publish = async (kind: number, content: string) =>
    (await wire.publish(alice.sign({ kind, content, created_at: nowSeconds() }))).slice(2)
  expect(await publish(7, '+')).toEqual([false, expect.stringMatching(/^blocked: kind 7/)])

  configure('log-format = "json"', 'allow-kinds = ["1,7"]', 'keep = ["7:1h", "30d"]', 'port = 1', 'verifier = "noble"')
  relay.child.kill('SIGHUP')
  await relay.says('"changed":"keep allow-kinds"')
  // The port came from the command line, which the file does not outdo.
  expect(await relay.says('needs a restart')).toContain('"settings":"verifier"')
  expect(await publish(7, '+')).toEqual([true, expect.anything()])
  await wire.find(isFor('EVENT', 'open'))
  const old = alice.sign({ kind: 7, created_at: nowSeconds() - 7_200 })
  expect((await wire.publish(old))[2]).toBe(false)

  configure('log-format = "json"', 'allow-kinds = ["1"]', 'keep = ["for a while"]')
  relay.child.kill('SIGHUP')
  expect(await relay.says('not reloaded')).toContain('--keep is like')
  expect(await publish(7, 'still')).toEqual([true, expect.anything()])
  configure('allow-kindz = ["1"]')
  relay.child.kill('SIGHUP')
  await relay.says('did you mean allow-kinds?')

  configure('require-auth = "read"')
  relay.child.kill('SIGHUP')
  await relay.says('changed=keep require-auth allow-kinds log-format')
  expect(await wire.find(isFor('CLOSED', 'open'))).toEqual(['CLOSED', 'open', expect.stringMatching(/^auth-required:/)])
  expect(wire.socket.readyState).toBe(wire.socket.OPEN)
  const other = await connectClient(url)
  await expect(other.count([{}])).rejects.toThrow('auth-required')
  await other.close()
  relay.child.kill('SIGTERM')
  expect((await relay.ended).code).toBe(0)
})
