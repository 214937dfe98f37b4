import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProfile, KeyFileError, openAgent, readKeyFile } from 'posthorn'
import { bytesToHex, publicKeyOf } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

function home() {
  const path = join(tempDir(), 'root', 'alice')
  const profile = createProfile({ home: path })
  return { path, key: join(path, 'key'), profile }
}

function refusal(key: string) {
  try {
    readKeyFile(key)
  } catch (error) {
    expect(error).toBeInstanceOf(KeyFileError)
    return error as KeyFileError
  }
  throw new Error('the key was read')
}

test('a fresh key lies in a folder and a file of the owner alone', () => {
  const { path, key, profile } = home()
  expect([mode(path), mode(key), mode(join(path, 'profile.json')), mode(join(path, 'spool'))]).toEqual([
    '700',
    '600',
    '600',
    '700',
  ])
  expect(readFileSync(key, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/)
  expect(publicKeyOf(readKeyFile(key))).toBe(profile.pubkey)
})

test.each([0o640, 0o604, 0o660, 0o644, 0o601])('a key file with mode %o is refused', bits => {
  const { key } = home()
  chmodSync(key, bits)
  expect(refusal(key).code).toBe('key-too-open')
})

test.each([0o750, 0o705, 0o770, 0o755])('a home with mode %o is refused', async bits => {
  const { path, key } = home()
  chmodSync(path, bits)
  expect(refusal(key).code).toBe('key-too-open')
  await expect(openAgent({ home: path })).rejects.toMatchObject({ code: 'key-too-open' })
  chmodSync(path, 0o700)
})

test('a link in place of the key is refused', () => {
  const { path } = home()
  const target = join(path, 'elsewhere')
  writeFileSync(target, `${'1'.repeat(64)}\n`, { mode: 0o600 })
  mkdirSync(join(path, 'linked'), { mode: 0o700 })
  symlinkSync(target, join(path, 'linked', 'key'))
  expect(refusal(join(path, 'linked', 'key')).code).toBe('key-malformed')
})

test.each([
  ['empty', ''],
  ['too short', 'ab'.repeat(31)],
  ['upper case', 'AB'.repeat(32)],
  ['zero', '0'.repeat(64)],
  ['above the curve’s order', 'f'.repeat(64)],
  ['huge', 'a'.repeat(5_000)],
])('a malformed key (%s) is refused, and the message does not quote it', (_, text) => {
  const { key } = home()
  writeFileSync(key, text, { mode: 0o600 })
  const error = refusal(key)
  expect(error.code).toBe('key-malformed')
  if (text.length >= 62) expect(`${error.message} ${error.stack}`).not.toContain(text.slice(0, 62))
})

test('a missing key says what to do', () => {
  expect(refusal(join(home().path, 'nothing'))).toMatchObject({ code: 'key-missing' })
})

test('a key that is not the profile’s is refused', async () => {
  const { path, key } = home()
  writeFileSync(key, `${bytesToHex(person('mallory').secretKey)}\n`, { mode: 0o600 })
  await expect(openAgent({ home: path })).rejects.toMatchObject({ code: 'key-malformed' })
})
