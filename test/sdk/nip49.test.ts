import { chmodSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bech32 } from '@scure/base'
import { decrypt, encrypt } from 'nostr-tools/nip49'
import {
  createEncryptedProfile,
  createProfile,
  decryptKey,
  encryptKey,
  openAgent,
  openKeyFile,
  readKeyFile,
} from 'posthorn'
import { bytesToHex, publicKeyOf } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { keySecurityOf } from '#dist/sdk/identity/nip49.js'
import { inProcess, json } from '../cli/posthorn.ts'
import { person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const ada = person('ada').secretKey
const cheap = { logN: 2 }

test('the vector of NIP-49', async () => {
  const text =
    'ncryptsec1qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd5g7dgjtcxfqtd67p9m0w57lspw8gsq6yphnm8623nsl8xn9j4jdzz84zm3frztj3z7s35vpzmqf6ksu8r89qk5z2zxfmu5gv8th8wclt0h4p'
  expect(bytesToHex(await decryptKey(text, 'nostr'))).toBe(
    '3501454135014541350145413501453fefb02227e449e57cf4d3a3ce05378683',
  )
})

test('nostr-tools opens ours and we open its; a passphrase is the same in every Unicode form', async () => {
  const [typed, composed] = ['\u212B\u2126\u1E9B\u0323', '\u00C5\u03A9\u1E69']
  expect(decrypt(await encryptKey(ada, typed, cheap), composed)).toEqual(ada)
  expect(await decryptKey(encrypt(ada, composed, 2), typed)).toEqual(ada)
})

test('a wrong passphrase, a damaged key and an empty passphrase are told apart; nothing quotes the key', async () => {
  const text = await encryptKey(ada, 'right', cheap)
  await expect(decryptKey(text, 'wrong')).rejects.toMatchObject({ code: 'key-passphrase' })
  await expect(decryptKey(text, '')).rejects.toMatchObject({ code: 'key-passphrase' })
  for (const bad of [
    text.slice(0, -1),
    `${text}q`,
    text.replace('sec1q', 'sec1p'),
    'ncryptsec1',
    '',
    'a'.repeat(5_000),
  ])
    await expect(decryptKey(bad, 'right')).rejects.toMatchObject({ code: 'key-malformed' })
  await expect(encryptKey(ada, '')).rejects.toMatchObject({ code: 'key-passphrase' })
})

test('what a file may demand is capped before any work', async () => {
  const text = await encryptKey(ada, 'p', { logN: 3 })
  expect(await decryptKey(text, 'p', { maxLogN: 3 })).toEqual(ada)
  await expect(decryptKey(text, 'p', { maxLogN: 2 })).rejects.toMatchObject({ code: 'key-too-costly' })
  // log_n 19, 63 and 255 by a file of somebody else's: would this be worked for, it would take 512 MiB and more.
  for (const logN of [19, 63, 255])
    await expect(decryptKey(demanding(logN), 'p')).rejects.toThrow(/log_n \d+\), at most 18 is worked for/)
  await expect(decryptKey(demanding(0), 'p')).rejects.toMatchObject({ code: 'key-malformed' })
})

/** A well-formed encrypted key of this cost. */
function demanding(logN: number): string {
  const bytes = Uint8Array.from({ length: 91 }, (_, at) => (at === 0 ? 2 : at === 1 ? logN : at))
  return bech32.encode('ncryptsec', bech32.toWords(bytes), 200)
}

test('a profile whose key never lay in clear; the agent opens it with the passphrase alone', async () => {
  const home = join(tempDir(), 'ada')
  const profile = await createEncryptedProfile({ home, passphrase: 'correct horse', ...cheap })
  const key = join(home, 'key')
  expect(readFileSync(key, 'utf8')).toMatch(/^ncryptsec1[a-z0-9]{152}\n$/)
  expect(statSync(key).mode & 0o777).toBe(0o600)
  expect(() => readKeyFile(key)).toThrow(/encrypted; its passphrase is needed/)
  expect(publicKeyOf(await openKeyFile(key, { passphrase: () => 'correct horse' }))).toBe(profile.pubkey)

  const relays = ['ws://127.0.0.1:1']
  const opening = (passphrase: string) => openAgent({ home, relays, passphrase: async () => passphrase })
  await expect(openAgent({ home, relays })).rejects.toMatchObject({ code: 'key-encrypted' })
  await expect(opening('battery staple')).rejects.toMatchObject({ code: 'key-passphrase' })
  const agent = await opening('correct horse')
  expect(agent.pubkey).toBe(profile.pubkey)
  await expect(opening('nobody is asked while another has it')).rejects.toMatchObject({ code: 'home-in-use' })
  await agent.close({ timeoutMs: 0 })
})

test('a first start with a passphrase makes an encrypted key; a key in clear that was left behind is put under it', async () => {
  const home = join(tempDir(), 'ada')
  const fresh = await openAgent({ home, relays: ['ws://127.0.0.1:1'], passphrase: () => 'p' })
  await fresh.close({ timeoutMs: 0 })
  expect(readFileSync(join(home, 'key'), 'utf8')).toMatch(/^ncryptsec1/)

  const left = join(tempDir(), 'bob')
  const { pubkey } = createProfile({ home: left, secretKey: ada })
  rmSync(join(left, 'profile.json'))
  expect((await createEncryptedProfile({ home: left, passphrase: 'p' })).pubkey).toBe(pubkey)
  expect(await openKeyFile(join(left, 'key'), { passphrase: () => 'p' })).toEqual(ada)
})

test('posthorn init --encrypt, from a file and from the terminal; exit 4 without the right passphrase', async () => {
  const folder = tempDir()
  const file = join(folder, 'passphrase')
  writeFileSync(file, 'correct horse\n', { mode: 0o600 })
  const env = { XDG_DATA_HOME: folder }
  const run = (args: string, more: Parameters<typeof inProcess>[1] = {}) =>
    inProcess(args.split(' '), { ...more, env: { ...env, ...more.env } })
  const offline = 'inbox --offline --as eve'
  const named = { env: { POSTHORN_PASSPHRASE_FILE: file } }

  const made = await run(`init --as eve --encrypt --passphrase-file ${file} --json`)
  expect(json(made)).toMatchObject({ created: true, encrypted: true })
  const key = join(String(json(made)['home']), 'key')
  expect(readFileSync(key, 'utf8')).toMatch(/^ncryptsec1/)

  expect(await run(offline, named)).toMatchObject({ code: 3 })
  const none = await run(offline)
  expect(none).toMatchObject({ code: 4, stderr: expect.stringContaining('POSTHORN_PASSPHRASE_FILE') })
  const asked: string[] = []
  const typing = (...answers: string[]) => ({
    readSecret: async (prompt: string) => {
      asked.push(prompt)
      return answers.shift() ?? ''
    },
  })
  expect(await run(offline, typing('correct horse'))).toMatchObject({ code: 3 })
  const wrong = await run(offline, typing('battery staple'))
  expect(wrong).toMatchObject({ code: 4, stderr: expect.stringContaining('not the passphrase of') })
  expect(wrong.stderr).not.toContain('battery staple')

  chmodSync(file, 0o644)
  expect((await run(offline, named)).stderr).toContain('chmod 600')
  chmodSync(file, 0o600)
  writeFileSync(file, '\n')
  expect(await run(offline, named)).toMatchObject({ code: 4, stderr: expect.stringContaining('one line') })

  asked.length = 0
  await run('init --as tom')
  expect(await run('init --as tom --encrypt', typing('one', 'two'))).toMatchObject({ code: 2 })
  const tom = await run('init --as tom --encrypt', typing('one', 'one'))
  expect(tom).toMatchObject({ code: 0, stderr: expect.stringContaining('backups and snapshots') })
  expect(asked).toEqual(['passphrase: ', 'again: ', 'passphrase: ', 'again: '])
  expect(await run('init --as tom --encrypt')).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('nothing changed'),
  })
  expect(await run('inbox --offline --as tom', typing('one'))).toMatchObject({ code: 3 })
})

test('posthorn key passphrase: another, none, a first one; the key and what it says of itself stay', async () => {
  const folder = tempDir()
  const home = join(folder, 'posthorn', 'eve')
  const { pubkey } = await createEncryptedProfile({ home, passphrase: 'one', ...cheap })
  const key = join(home, 'key')
  const asked: string[] = []
  const run = (args: string, ...answers: string[]) =>
    inProcess(['key', 'passphrase', '--as', 'eve', ...args.split(' ').filter(Boolean)], {
      env: { XDG_DATA_HOME: folder },
      readSecret: async prompt => {
        asked.push(prompt)
        return answers.shift() ?? ''
      },
    })
  const before = readFileSync(key, 'utf8')
  expect(await run('', 'wrong', 'two', 'two')).toMatchObject({ code: 4 })
  expect(await run('', 'one', 'two', 'too')).toMatchObject({ code: 2 })
  expect(await run('', 'one', '', '')).toMatchObject({ code: 2 })
  expect(readFileSync(key, 'utf8')).toBe(before)
  asked.length = 0
  const file = join(folder, 'next')
  writeFileSync(file, 'two\n', { mode: 0o600 })
  const changed = await run(`--new-passphrase-file ${file} --json`, 'one')
  expect([json(changed), asked]).toEqual([{ v: 1, changed: true, encrypted: true }, ['passphrase: ']])
  expect(keySecurityOf(readFileSync(key, 'utf8').trim())).toBe(1)
  expect(await run('--remove', 'two')).toMatchObject({ code: 0 })
  expect(publicKeyOf(readKeyFile(key))).toBe(pubkey)
  expect(await run('--remove')).toMatchObject({ code: 2 })
  asked.length = 0
  expect(await run('', 'three', 'three')).toMatchObject({ code: 0, stderr: expect.stringContaining('in clear') })
  expect(asked).toEqual(['new passphrase: ', 'new again: '])
  expect(keySecurityOf(readFileSync(key, 'utf8').trim())).toBe(0)
  expect(statSync(key).mode & 0o777).toBe(0o600)
})
