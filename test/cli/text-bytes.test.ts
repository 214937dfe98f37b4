import { spawn } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openAgent } from 'posthorn'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { decodeText } from '#dist/cli/text-bytes.js'
import { startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'
import { BIN, inProcess, json, messagesOf } from './posthorn.ts'

const NO_TEXT = [0x61, 0xc3, 0x28, 0x00, 0xff]
const LATIN1 = Buffer.from('Grüße', 'latin1')
const UTF16 = Buffer.from('\ufeffhello', 'utf16le')
const SURROGATE = [0xed, 0xa0, 0x80]
let data: string
beforeAll(async () => {
  data = makeTempDir()
  await inProcess(['init', '--as', 'ann'], { env: { XDG_DATA_HOME: data } })
  await inProcess(['init', '--as', 'ben'], { env: { XDG_DATA_HOME: data } })
})

afterAll(() => removeDir(data))

/** The program itself, with these bytes on stdin. */
function withBytes(args: readonly string[], bytes: Uint8Array): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [BIN, ...args], {
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', XDG_DATA_HOME: data },
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', text => {
      said += text
    })
  child.stdin.end(bytes)
  return new Promise(resolve => child.once('close', code => resolve({ code, said })))
}

const queued = async () => {
  const agent = await openAgent({ home: join(data, 'posthorn', 'ann'), relays: ['ws://127.0.0.1:9'], presence: false })
  const { queue } = agent.status()
  await agent.close({ timeoutMs: 0 })
  return queue
}

test.each([
  ['send', ['send', 'ben', '-', '--as', 'ann']],
  ['publish', ['publish', '-', '--kind', '1', '--as', 'ann']],
  ['publish of signed events', ['publish', '-', '--as', 'ann']],
  ['card set', ['card', 'set', '--file', '-', '--as', 'ann']],
  ['invite accept', ['invite', 'accept', '-', '--as', 'ann']],
])('%s refuses bytes that are no text, and sends nothing', async (_, args) => {
  const { code, said } = await withBytes(args, Uint8Array.from(NO_TEXT))
  expect(said).toContain('what came on stdin is not text: byte 3 is not UTF-8')
  expect(said).toContain('iconv')
  expect(code).toBe(2)
  expect(await queued()).toBe(0)
})

test('an argument that is no text is refused where the bytes can be seen', async () => {
  if (process.platform !== 'linux') return
  const child = spawn(
    '/bin/sh',
    ['-c', `"$0" "$1" send ben "$(printf 'a\\303\\050')" --as ann`, process.execPath, BIN],
    {
      env: { PATH: process.env['PATH'], HOME: '/nonexistent', XDG_DATA_HOME: data },
    },
  )
  let said = ''
  child.stderr.setEncoding('utf8').on('data', text => {
    said += text
  })
  expect(await new Promise(resolve => child.once('close', resolve))).toBe(2)
  expect(said).toContain('an argument is not text')
  expect(await queued()).toBe(0)
})

test('a byte order mark on stdin is part of a message, and of no JSON', async () => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const at = ['--as', 'ann', '--relay', relay.url]
  expect((await withBytes(['send', 'ann', '-', ...at], Buffer.from('\ufeffhello\n'))).code).toBe(0)
  const run = (...args: string[]) => inProcess([...args, ...at], { env: { XDG_DATA_HOME: data } })
  await run('catchup')
  expect(messagesOf(await run('inbox', '--json')).map(({ text }) => text)).toEqual(['\ufeffhello'])
  const card = Buffer.from('\ufeff{"description":"of a file with a mark"}')
  expect((await withBytes(['card', 'set', '--file', '-', '--as', 'ann', '--timeout', '1'], card)).said).toContain(
    'of a file with a mark',
  )
})

test.each([
  ['random bytes', Uint8Array.from(NO_TEXT), 3],
  ['Latin-1', LATIN1, 3],
  ['UTF-16', UTF16, 1],
  ['a surrogate', Uint8Array.from(SURROGATE), 2],
  ['what is cut in the middle', Buffer.from('aé').subarray(0, 2), 2],
])('%s', (_, bytes, place) => {
  expect(() => decodeText(bytes, 'it')).toThrow(`it is not text: byte ${place} is not UTF-8`)
})

test('what is text stays as it is: every code point, NUL and U+FFFD too; a byte order mark is no part of it', async () => {
  const text = 'a\u0000b \ufffd 🦉 é\u2028'
  expect(decodeText(Buffer.from(text), 'it')).toBe(text)
  expect(decodeText(Buffer.from(`\ufeff${text}`), 'it')).toBe(text)
  expect(decodeText(Buffer.from(`\ufeff${text}`), 'it', { keepMark: true })).toBe(`\ufeff${text}`)
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  await inProcess(['init', '--as', 'ben', '--relay', relay.url], { env: { XDG_DATA_HOME: data } })
  const sent = await withBytes(['send', 'ben', '-', '--as', 'ann', '--relay', relay.url], Buffer.from(`${text}\n`))
  expect(sent.code).toBe(0)
  const run = (...args: string[]) =>
    inProcess([...args, '--as', 'ben', '--relay', relay.url], { env: { XDG_DATA_HOME: data } })
  await run('catchup')
  const agent = await openAgent({ home: join(data, 'posthorn', 'ben'), relays: [relay.url], presence: false })
  expect(agent.inbox().map(mail => mail.text)).toEqual([text])
  await agent.close()
})

test('files: a passphrase with a byte order mark is the passphrase; what is no text is refused', async () => {
  const file = join(data, 'passphrase')
  const env = { XDG_DATA_HOME: data, POSTHORN_PASSPHRASE_FILE: file }
  const write = (bytes: Uint8Array | string) => {
    writeFileSync(file, bytes)
    chmodSync(file, 0o600)
  }
  write('\ufeffopen sesame\r\n')
  const made = await inProcess(['init', '--as', 'eve', '--encrypt'], { env })
  expect(made.stderr + made.stdout).not.toContain('error')
  write('open sesame')
  expect(
    (await inProcess(['catchup', '--as', 'eve', '--relay', 'ws://127.0.0.1:9', '--max-ms', '10'], { env })).code,
  ).toBe(5)
  write(Uint8Array.from(NO_TEXT))
  const refused = await inProcess(['catchup', '--as', 'eve', '--max-ms', '10'], { env })
  expect(refused.stderr).toContain('is not text')

  const card = join(data, 'card.json')
  writeFileSync(card, LATIN1)
  expect((await inProcess(['card', 'set', '--file', card, '--as', 'ann'], { env: { XDG_DATA_HOME: data } })).code).toBe(
    2,
  )
  const config = join(data, 'relay.toml')
  writeFileSync(config, LATIN1)
  const relay = await inProcess(['relay', '--config', config])
  expect([relay.code, relay.stderr]).toEqual([2, expect.stringContaining('is not text')])
  expect(readFileSync(config)).toEqual(LATIN1)
  expect(json(await inProcess(['whoami', '--as', 'ann', '--json'], { env: { XDG_DATA_HOME: data } }))['name']).toBe(
    'ann',
  )
})

test('watch --exec: an answer that is no text is a failure, not another text', async () => {
  const relay = await startRelay()
  onTestFinished(() => relay[Symbol.asyncDispose]())
  const run = (...args: string[]) => inProcess([...args, '--relay', relay.url], { env: { XDG_DATA_HOME: data } })
  const id = String(json(await run('send', 'ben', 'bytes?', '--act', 'request', '--as', 'ann', '--json'))['id'])
  await run('watch', '--as', 'ben', '--once', '--attempts', '1', '--exec', `printf 'a\\377'`)
  await run('catchup', '--as', 'ann')
  const receipts = json(await run('receipts', id, '--as', 'ann', '--json'))
  expect(receipts['state']).toBe('failed')
  expect(JSON.stringify(receipts)).toContain('not text in UTF-8')
})
