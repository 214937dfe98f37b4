import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npubOf } from 'posthorn'
import { describe, expect, test } from 'vitest'
import { parseVerbArgs } from '#dist/cli/args.js'
import { refuseEphemeral } from '#dist/cli/ephemeral-storage.js'
import { backupSettings, relaySettings } from '#dist/cli/relay-settings.js'
import { settingLayers } from '#dist/cli/setting-layers.js'
import { RELAY_SETTINGS } from '#dist/cli/verbs/index.js'
import { mountOf } from '#dist/platform/mounts.js'
import { person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess } from './posthorn.ts'

const { pubkey } = person('owner')
const parsed = async (line: string, env: Record<string, string> = {}) => {
  const args = line.split(' ').filter(Boolean)
  return parseVerbArgs('relay', args, await settingLayers('relay', args, env))
}
const settings = async (line: string, env: Record<string, string> = {}) =>
  relaySettings((await parsed(line, env)).options, env)

describe('posthorn relay: scheduled backups', () => {
  const backups = async (line: string, env: Record<string, string> = {}) => {
    const { options, origins } = await parsed(line, env)
    return backupSettings(options, origins)
  }

  test('none unless a folder is named; then one a day, and a week of them', async () => {
    expect(await backups('')).toBeUndefined()
    expect(await backups('--backup-dir /b')).toEqual({ directory: '/b', everyMs: 86_400_000, keep: 7 })
    const env = { POSTHORN_BACKUP_DIR: '/c', POSTHORN_BACKUP_EVERY: '6', POSTHORN_BACKUP_KEEP: '1' }
    expect(await backups('', env)).toEqual({ directory: '/c', everyMs: 21_600_000, keep: 1 })
  })

  test.each([
    ['--backup-every 6', '--backup-every says how to make backups, but no --backup-dir'],
    ['--backup-dir /b --backup-every 0', '--backup-every is at least 1'],
    ['--backup-dir /b --backup-keep 0', '--backup-keep is at least 1'],
    ['--backup-dir /b --backup-every 1.5', '--backup-every takes a whole number'],
  ])('%s is refused', async (line, why) => {
    await expect(backups(line)).rejects.toThrow(why)
  })
})

describe('posthorn relay: who may connect, write and read', () => {
  test('nothing said: no public URL, no owner, nobody’s word about addresses', async () => {
    const { policy, ...plain } = await settings('')
    expect(plain).toEqual({ owners: [], trustedProxies: [], allowOrigins: [], verifier: 'auto', search: true })
    expect(policy).toBeTypeOf('function')
  })

  test('everything said', async () => {
    expect(
      await settings(
        `--public-url wss://a.example --public-url wss://b.example --owner ${npubOf(pubkey)} --owner ${pubkey} ` +
          '--trusted-proxy 10.0.0.0/8 --allow-origin https://app.example',
      ),
    ).toMatchObject({
      publicUrls: ['wss://a.example', 'wss://b.example'],
      owners: [pubkey, pubkey],
      trustedProxies: ['10.0.0.0/8'],
      allowOrigins: ['https://app.example'],
    })
  })

  test('on Render its URL and its proxies; a flag wins', async () => {
    const env = { RENDER_EXTERNAL_URL: 'https://x.onrender.com' }
    const render = { publicUrls: ['https://x.onrender.com'], trustedProxies: ['private', 'cloudflare'] }
    expect(await settings('', env)).toMatchObject(render)
    expect(await settings('--public-url wss://own.example --trusted-proxy loopback', env)).toMatchObject({
      publicUrls: ['wss://own.example'],
      trustedProxies: ['loopback'],
    })
  })

  test.each([
    ['--require-auth sometimes', '--require-auth is write, read or all'],
    ['--allow-kinds 1,x', '--allow-kinds takes numbers'],
    ['--allow-kinds 65536', '--allow-kinds takes numbers'],
    ['--public-url relay.example.com', '--public-url takes a URL'],
    ['--trusted-proxy 10.0.0.0/99', '--trusted-proxy: "10.0.0.0/99" is not a block'],
    ['--owner nobody', '--owner takes an npub'],
    ['--min-pow 65', '--min-pow is at most 64'],
  ])('%s is refused before anything is done', async (args, message) => {
    await expect(settings(args)).rejects.toThrow(message)
  })

  test('a secret key pasted as the owner is never repeated', async () => {
    const secret = `nsec1${'q'.repeat(58)}`
    await expect(settings(`--owner ${secret}`)).rejects.toThrow(/^(?!.*nsec1)/)
  })

  test('exit codes: 2 for a mistake on the command line, 1 for a relay that nobody could join', async () => {
    expect((await inProcess(['relay', '--require-auth', 'x', '--data', tempDir()])).code).toBe(2)
    const lonely = await inProcess(['relay', '--members', '--port', '0', '--data', tempDir()])
    expect(lonely.code).toBe(1)
    expect(lonely.stderr).toContain('needs an owner')
  })
})

describe('where settings come from', () => {
  const file = (text: string): string => {
    const path = join(tempDir(), 'posthorn.toml')
    writeFileSync(path, text)
    return path
  }

  test('a flag wins over the environment, the environment over the file, the file over the default', async () => {
    const path = file('port = 1\nhost = "::1"\nmin-pow = 7\nmembers = true\nkeep = ["1:1d", "30d"]\n')
    const env = { POSTHORN_CONFIG: path, PORT: '2', POSTHORN_HOST: '0.0.0.0', POSTHORN_MEMBERS: 'no' }
    const { options, origins } = await parsed('--port 3', env)
    expect(options).toMatchObject({ port: 3, host: '0.0.0.0', 'min-pow': 7, members: false, keep: ['1:1d', '30d'] })
    expect(origins).toEqual({
      port: '--port',
      host: 'POSTHORN_HOST',
      members: 'POSTHORN_MEMBERS',
      'min-pow': path,
      keep: path,
      config: 'POSTHORN_CONFIG',
    })
    expect((await parsed('', { POSTHORN_PORT: '4', PORT: '5' })).options.port).toBe(4)
    expect((await parsed('', { POSTHORN_PORT: '', PORT: '5' })).options.port).toBe(5)
    expect((await parsed('', { POSTHORN_OWNER: ' a\n b ' })).options.owner).toEqual(['a', 'b'])
  })

  test.each([
    ['ports = 1', 'there is no setting "ports"; did you mean port?'],
    ['config = "other.toml"', 'there is no setting "config"'],
    ['port = "1"', 'port is a number, without quotes'],
    ['port = 65536', /toml: --port is at most 65535/],
    ['members = "yes"', 'members is true or false'],
    ['keep = [1]', 'keep is a list of texts'],
    ['host = 1', 'host is a text, in quotes'],
    ['host = ', /toml: Invalid TOML/],
  ])('a file that says %s is refused and named', async (text, message) => {
    await expect(parsed(`--config ${file(text)}`)).rejects.toThrow(message)
  })

  test.each([
    [{ PORT: 'x' }, 'PORT: --port takes a whole number'],
    [{ POSTHORN_MEMBERS: 'maybe' }, 'POSTHORN_MEMBERS is true or false'],
    [{ POSTHORN_CONFIG: '/nonexistent/posthorn.toml' }, 'cannot be read (ENOENT)'],
  ])('%o is refused and named', async (env, message) => {
    await expect(parsed('', env)).rejects.toThrow(message)
  })

  test('relay config tells values and origins, and its example is a file that changes nothing', async () => {
    const env = { POSTHORN_PUBLIC_URL: 'wss://a.example' }
    const { stdout } = await inProcess(['relay', 'config', '--json', '--show-origin', '--port', '9'], { env })
    expect(JSON.parse(stdout).settings).toMatchObject({
      port: { value: 9, origin: '--port' },
      'public-url': { value: ['wss://a.example'], origin: 'POSTHORN_PUBLIC_URL' },
      host: { value: '127.0.0.1', origin: 'default' },
    })
    const example = (await inProcess(['relay', 'config', '--example'])).stdout
    const commented = await parsed(`--config ${file(example)}`)
    expect(commented.options).toEqual({ ...(await parsed('')).options, config: expect.any(String) })
    // With every comment taken away each line is one that the relay understands.
    const all = example.replace(/^#(?=[a-z-]+ = )/gm, '').replace('npub1…', pubkey)
    expect(
      Object.keys((await parsed(`--config ${file(all.replace('port = 7678', 'port = 1'))}`)).origins),
    ).toHaveLength(Object.keys(RELAY_SETTINGS).length)
  })
})

describe('storage that the platform throws away', () => {
  const refused = (env: Record<string, string>, mount: { path: string; type: string } | undefined) => {
    try {
      refuseEphemeral(
        '/srv/relay',
        env,
        () => mount,
        path => path === '/srv',
      )
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  test.each([
    ['this machine’s root', {}, { path: '/', type: 'ext4' }, undefined],
    ['Render without a disk', { RENDER: 'true' }, { path: '/', type: 'ext4' }, /Render/],
    ['Render with a disk', { RENDER: 'true' }, { path: '/srv', type: 'ext4' }, undefined],
    ['Fly without a volume', { FLY_APP_NAME: 'x' }, { path: '/', type: 'overlay' }, /Fly/],
    ['memory', { RENDER: 'true' }, { path: '/srv', type: 'tmpfs' }, /Render/],
    ['a container of nobody’s', {}, { path: '/', type: 'overlay' }, undefined],
    ['a system that does not tell', { RENDER: 'true' }, undefined, undefined],
  ])('%s', (_, env, mount, message) => {
    if (message === undefined) expect(refused(env, mount)).toBeUndefined()
    else expect(refused(env, mount)).toMatch(message)
  })

  test('the process: exit 1 and what to do, unless a flag says so', async () => {
    const data = join('/dev/shm', `posthorn-test-${process.pid}`)
    const env = { RENDER: 'true' }
    const { code, stderr } = await inProcess(['relay', '--port', '0', '--data', data], { env })
    expect(code).toBe(1)
    expect(stderr).toContain('--allow-ephemeral')
    expect(existsSync(data)).toBe(false)
  }, 20_000)
})

test('the mount of a path is the longest that holds it, the last of equals, escapes read', () => {
  const table = join(tempDir(), 'mountinfo')
  writeFileSync(
    table,
    [
      '22 1 0:21 / / rw - ext4 /dev/a rw',
      '23 1 0:22 / /srv rw shared:1 - xfs /dev/b rw',
      '24 1 0:23 / /srv/a\\040b rw - ext4 /dev/c rw',
      '25 1 0:24 / /srv rw - tmpfs none rw',
      'nonsense',
    ].join('\n'),
  )
  const type = (path: string) => mountOf(path, table)?.type
  expect([type('/'), type('/srvx'), type('/srv'), type('/srv/x'), type('/srv/a b/c')]).toEqual([
    'ext4',
    'ext4',
    'tmpfs',
    'tmpfs',
    'ext4',
  ])
  expect(mountOf('/', '/nonexistent')).toBeUndefined()
})
