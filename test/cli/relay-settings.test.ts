import { npubOf } from 'posthorn'
import { describe, expect, test } from 'vitest'
import { parseVerbArgs } from '#dist/cli/args.js'
import { relaySettings } from '#dist/cli/relay-settings.js'
import { person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { posthorn } from './posthorn.ts'

const { pubkey } = person('owner')
const settings = (args: string, env: Record<string, string> = {}) =>
  relaySettings(parseVerbArgs('relay', args.split(' ').filter(Boolean)).options, env)

describe('posthorn relay: who may connect, write and read', () => {
  test('nothing said: no public URL, no owner, nobody’s word about addresses', () => {
    const { policy, ...plain } = settings('')
    expect(plain).toEqual({ owners: [], trustedProxies: [], allowOrigins: [] })
    expect(policy).toBeTypeOf('function')
  })

  test('everything said', () => {
    expect(
      settings(
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

  test('on Render its URL and its proxies; a flag wins', () => {
    const env = { RENDER_EXTERNAL_URL: 'https://x.onrender.com' }
    const render = { publicUrls: ['https://x.onrender.com'], trustedProxies: ['private', 'cloudflare'] }
    expect(settings('', env)).toMatchObject(render)
    expect(settings('--public-url wss://own.example --trusted-proxy loopback', env)).toMatchObject({
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
  ])('%s is refused before anything is done', (args, message) => {
    expect(() => settings(args)).toThrow(message)
  })

  test('a secret key pasted as the owner is never repeated', () => {
    const secret = `nsec1${'q'.repeat(58)}`
    expect(() => settings(`--owner ${secret}`)).toThrow(/^(?!.*nsec1)/)
  })

  test('exit codes: 2 for a mistake on the command line, 1 for a relay that nobody could join', async () => {
    expect((await posthorn(['relay', '--require-auth', 'x', '--data', tempDir()])).code).toBe(2)
    const lonely = await posthorn(['relay', '--members', '--port', '0', '--data', tempDir()])
    expect(lonely.code).toBe(1)
    expect(lonely.stderr).toContain('needs an owner')
  })
})
