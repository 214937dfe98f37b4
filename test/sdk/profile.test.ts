import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  createProfile,
  listProfiles,
  npubOf,
  openAgent,
  profileHome,
  profilesRoot,
  readKeyFile,
  readProfile,
  resolveRecipient,
  setProfileRelays,
  siblingContacts,
  UnknownRecipientError,
} from 'posthorn'
import { bytesToHex, publicKeyOf } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { createSiblings } from '#dist/sdk/home/siblings.js'
import { person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'

test('the root follows XDG, and ignores a relative one as XDG says', () => {
  expect(profilesRoot({ XDG_DATA_HOME: '/data', HOME: '/home/a' })).toBe('/data/posthorn')
  expect(profilesRoot({ XDG_DATA_HOME: 'data', HOME: '/home/a' })).toBe('/home/a/.local/share/posthorn')
})

test('home, then name, then POSTHORN_HOME, then default', () => {
  const env = { XDG_DATA_HOME: '/data', POSTHORN_HOME: '/elsewhere' }
  expect(profileHome({ home: '/here', as: 'x', env })).toBe('/here')
  expect(profileHome({ as: 'x', env })).toBe('/data/posthorn/x')
  expect(profileHome({ env })).toBe('/elsewhere')
  expect(profileHome({ env: { XDG_DATA_HOME: '/data' } })).toBe('/data/posthorn/default')
})

test.each(['../x', 'a/b', '', '.hidden', '-dash', 'x'.repeat(65), npubOf(person('a').pubkey), 'a b'])(
  'the name %j is refused',
  name => {
    expect(() => profileHome({ as: name, env: {} })).toThrow(expect.objectContaining({ code: 'profile-name' }))
  },
)

test('a profile is read back, keeps its relays, and is not made twice', () => {
  const home = join(tempDir(), 'alice')
  const made = createProfile({ home, relays: ['wss://relay.example/'] })
  expect(made).toMatchObject({ name: 'alice', relays: ['wss://relay.example'] })
  expect(readProfile(home)).toEqual(made)
  expect(() => createProfile({ home })).toThrow(expect.objectContaining({ code: 'profile-exists' }))
  expect(setProfileRelays(home, ['ws://localhost:1234']).relays).toEqual(['ws://localhost:1234'])
  expect(readProfile(home).relays).toEqual(['ws://localhost:1234'])
})

test('a key left by a start that died half-way is kept', () => {
  const home = join(tempDir(), 'alice')
  mkdirSync(home, { mode: 0o700 })
  const { secretKey, pubkey } = person('half-way')
  writeFileSync(join(home, 'key'), `${bytesToHex(secretKey)}\n`, { mode: 0o600 })
  const other = person('other').secretKey
  expect(() => createProfile({ home, secretKey: other })).toThrow(expect.objectContaining({ code: 'profile-exists' }))
  expect(createProfile({ home }).pubkey).toBe(pubkey)
})

test('two first starts at once end with one key', async () => {
  const home = join(tempDir(), 'alice')
  const script = `import { createProfile } from ${JSON.stringify(pathToFileURL('dist/sdk/index.js').href)}
    try { createProfile({ home: process.argv[1] }) } catch (error) { if (error.code !== 'profile-exists') throw error }`
  const children = [1, 2, 3].map(() =>
    spawn(process.execPath, ['--input-type=module', '-e', script, home], { stdio: 'inherit' }),
  )
  for (const [code] of await Promise.all(children.map(child => once(child, 'exit')))) expect(code).toBe(0)
  expect(publicKeyOf(readKeyFile(join(home, 'key')))).toBe(readProfile(home).pubkey)
})

test('contacts of one machine are closed sibling profiles only', () => {
  const root = tempDir()
  const [alice, bob] = ['alice', 'bob'].map(name => createProfile({ home: join(root, name) }))
  createProfile({ home: join(root, 'open') })
  chmodSync(join(root, 'open'), 0o755)
  mkdirSync(join(root, 'empty'), { mode: 0o700 })
  createProfile({ home: join(root, 'broken') })
  writeFileSync(join(root, 'broken', 'profile.json'), '{"v":2}')
  expect(listProfiles(root).map(({ name }) => name)).toEqual(['alice', 'bob'])
  expect(siblingContacts(join(root, 'alice'))).toEqual([
    { name: 'alice', pubkey: alice?.pubkey, relays: ['ws://localhost:7678'] },
    { name: 'bob', pubkey: bob?.pubkey, relays: ['ws://localhost:7678'] },
  ])
})

test('recipients: npub, hex, name; everything else says why not', () => {
  const { pubkey } = person('bob')
  const contacts = [
    { name: 'bob', pubkey },
    { name: 'twin', pubkey },
    { name: 'twin', pubkey: person('carol').pubkey },
  ]
  expect(resolveRecipient(npubOf(pubkey), [])).toBe(pubkey)
  expect(resolveRecipient(pubkey, [])).toBe(pubkey)
  expect(resolveRecipient('bob', contacts)).toBe(pubkey)
  const message = (to: string) => {
    try {
      resolveRecipient(to, contacts)
    } catch (error) {
      expect(error).toBeInstanceOf(UnknownRecipientError)
      return (error as Error).message
    }
    throw new Error('was resolved')
  }
  expect(message('nobody')).toContain('bob')
  expect(message('twin')).toContain('several')
  expect(message('bob@example.org')).toContain('NIP-05')
  expect(message(`${npubOf(pubkey)}x`)).toContain('npub')
  expect(message('nsec1secret')).not.toContain('nsec1secret')
})

test('create: false does not make a profile', async () => {
  await expect(openAgent({ home: join(tempDir(), 'nobody'), create: false })).rejects.toMatchObject({
    code: 'profile-missing',
  })
})

test('no relay, too many, or one that is none: a clear error', async () => {
  const home = join(tempDir(), 'alice')
  const many = (count: number) => Array.from({ length: count }, (_, n) => `ws://127.0.0.1:${n + 1}`)
  for (const relays of [[], many(17), ['http://relay.example']])
    await expect(openAgent({ home, relays })).rejects.toMatchObject({ code: 'profile-malformed' })
  const agent = await openAgent({ home, relays: [...many(16), ...many(16)] })
  expect(agent.status().relays.map(({ url }) => url)).toEqual(many(16))
  await agent.close({ timeoutMs: 0 })
})

test('a profile made just now is a contact at once, and one that is gone is none', async () => {
  const root = tempDir()
  const home = join(root, 'ada')
  createProfile({ home })
  let ms = Date.now()
  const names = createSiblings(home, { now: () => ms, monotonic: () => ms })
  const shown = () => names().map(({ name }) => name)
  expect(shown()).toEqual(['ada'])
  createProfile({ home: join(root, 'bob') })
  expect(shown()).toEqual(['ada', 'bob'])
  // Long after the last change: what was read holds until the folder changes again.
  ms += 60_000
  expect(shown()).toEqual(['ada', 'bob'])
  createProfile({ home: join(root, 'carol') })
  expect(shown()).toEqual(['ada', 'bob', 'carol'])
  rmSync(join(root, 'bob'), { recursive: true })
  expect(shown()).toEqual(['ada', 'carol'])
})
