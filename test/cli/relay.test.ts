import { chmodSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'posthorn'
import { expect, test } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'
import { json, posthorn, start } from './posthorn.ts'

const listeningAt = (line: string): { url: string; port: string } => {
  const { listening } = JSON.parse(line.split('\n')[0] ?? '')
  return { url: listening, port: new URL(listening).port }
}

test.each(['SIGTERM', 'SIGINT'] as const)('--json: first line says where; serves; %s ends it with 0', async signal => {
  const data = join(tempDir(), 'made', 'on the way')
  const relay = start(['relay', '--port', '0', '--data', data, '--json'])
  const first = await relay.says('\n')
  expect(JSON.parse(first.split('\n')[0] ?? '')).toMatchObject({
    v: 1,
    listening: expect.stringMatching(/^ws:\/\/127\.0\.0\.1:\d+$/),
  })
  const client = await connect(listeningAt(first).url)
  expect(await client.count([{}])).toBe(0)
  await client.close()
  expect(existsSync(data)).toBe(true)
  relay.child.kill(signal)
  const { code, lines } = await relay.ended
  expect(code).toBe(0)
  expect(lines).toHaveLength(1)
})

test('for people: the address, the data, what to try next; data in XDG_DATA_HOME, apart from profiles', async () => {
  const folder = tempDir()
  const relay = start(['relay', '--port', '0'], { env: { XDG_DATA_HOME: folder } })
  const said = await relay.says('posthorn inbox')
  expect(said).toMatch(/listening at ws:\/\/localhost:\d+\n/)
  expect(said).toContain(join(folder, 'posthorn-relay'))
  expect(said).toContain('posthorn demo')
  expect(said).toMatch(/posthorn init --relay ws:\/\/localhost:\d+/)
  expect(existsSync(join(folder, 'posthorn-relay'))).toBe(true)
  relay.child.kill('SIGTERM')
  expect((await relay.ended).code).toBe(0)
})

test('says what checks signatures; a tier can be named, by flag or variable, and a wrong one is refused', async () => {
  const relay = start(['relay', '--port', '0', '--data', tempDir(), '--json', '--verifier', 'wasm'])
  const first = JSON.parse((await relay.says('\n')).split('\n')[0] ?? '')
  expect(first.verifier).toMatchObject({ tier: 'wasm', library: 'tiny-secp256k1', passedOver: [] })
  relay.child.kill('SIGTERM')
  expect((await relay.ended).stderr).toContain('signatures: wasm (tiny-secp256k1), up to')
  const wrong = await posthorn(['relay', '--port', '0', '--data', tempDir()], { env: { POSTHORN_VERIFIER: 'quantum' } })
  expect(wrong.code).toBe(2)
  expect(wrong.stderr).toContain('auto, native, wasm, noble')
})

test.skipIf(process.platform === 'win32')('a data folder that everybody may write is warned about', async () => {
  const open = tempDir()
  chmodSync(open, 0o777)
  const relay = start(['relay', '--port', '0', '--data', open, '--log-format', 'json'])
  await relay.says('posthorn inbox')
  relay.child.kill('SIGTERM')
  expect((await relay.ended).stderr).toMatch(/"level":"warn".*"data-open".*"0777"/)
})

test('two signals at once are one press, as npm and timeout send them', async () => {
  const relay = start(['relay', '--port', '0', '--data', tempDir(), '--json'])
  await relay.says('\n')
  relay.child.kill('SIGINT')
  relay.child.kill('SIGTERM')
  const { code, stderr } = await relay.ended
  expect(code).toBe(0)
  expect(stderr).toContain('closed')
})

test('a port in use and a folder in use: exit 1, and what to do', async () => {
  const data = tempDir()
  const first = start(['relay', '--port', '0', '--data', data, '--json'])
  const { port } = listeningAt(await first.says('\n'))
  const [samePort, sameFolder, noHost] = await Promise.all([
    posthorn(['relay', '--port', port, '--data', tempDir()]),
    posthorn(['relay', '--port', '0', '--data', data]),
    posthorn(['relay', '--port', '0', '--host', '192.0.2.1', '--data', tempDir(), '--json']),
  ])
  expect(samePort.code).toBe(1)
  expect(samePort.stderr).toContain(`port ${port} on 127.0.0.1 is in use`)
  expect(samePort.stderr).toContain('--port')
  expect(sameFolder.code).toBe(1)
  expect(sameFolder.stderr).toContain(`${data} is in use by process ${first.child.pid}`)
  expect(noHost.code).toBe(1)
  expect(JSON.parse(noHost.stderr.split('\n')[0] ?? '')).toMatchObject({ error: { code: 'host-not-here' } })
  for (const outcome of [samePort, sameFolder, noHost]) expect(outcome.stdout).toBe('')
})

test('killed by SIGKILL it starts again on the same folder and has everything', async () => {
  const data = tempDir()
  const env = { XDG_DATA_HOME: tempDir() }
  const first = start(['relay', '--port', '0', '--data', data, '--json'])
  const { url, port } = listeningAt(await first.says('\n'))
  await posthorn(['init', '--relay', url], { env })
  expect((await posthorn(['publish', '--kind', '1', 'kept'], { env })).code).toBe(0)
  first.child.kill('SIGKILL')
  await first.ended
  const second = start(['relay', '--port', port, '--data', data, '--json'])
  await second.says('\n')
  expect(json(await posthorn(['count', '{"kinds":[1]}', '--json'], { env }))).toEqual({ v: 1, count: 1 })
})
