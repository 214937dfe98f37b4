import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { isPublicAddress, isPublicHost } from '#dist/platform/address-class.js'
import { dialNode } from '#dist/platform/dial-node.js'
import { publicLookup } from '#dist/platform/public-lookup.js'

const edges: [string, boolean][] = [
  ['0.255.255.255', false],
  ['1.0.0.0', true],
  ['9.255.255.255', true],
  ['10.0.0.0', false],
  ['10.255.255.255', false],
  ['11.0.0.0', true],
  ['100.63.255.255', true],
  ['100.64.0.0', false],
  ['100.127.255.255', false],
  ['100.128.0.0', true],
  ['126.255.255.255', true],
  ['127.0.0.1', false],
  ['128.0.0.0', true],
  ['169.254.169.254', false],
  ['169.255.0.0', true],
  ['172.15.255.255', true],
  ['172.16.0.0', false],
  ['172.31.255.255', false],
  ['172.32.0.0', true],
  ['192.0.0.9', false],
  ['192.0.2.1', false],
  ['192.167.255.255', true],
  ['192.168.0.1', false],
  ['192.169.0.0', true],
  ['198.17.255.255', true],
  ['198.18.0.0', false],
  ['198.20.0.0', true],
  ['203.0.113.7', false],
  ['223.255.255.255', true],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['::', false],
  ['::1', false],
  ['::ffff:127.0.0.1', false],
  ['::ffff:7f00:1', false],
  ['::ffff:8.8.8.8', true],
  ['64:ff9b::a00:1', false],
  ['64:ff9b::808:808', true],
  ['100::1', false],
  ['2000::1', true],
  ['2001::1', false],
  ['2001:1ff::1', false],
  ['2001:200::1', true],
  ['2001:db8::1', false],
  ['2001:4860:4860::8888', true],
  ['2002:7f00:1::', false],
  ['3fff::1', false],
  ['3fff:1000::1', true],
  ['4000::1', false],
  ['fc00::1', false],
  ['fd12:3456::1', false],
  ['fe80::1', false],
  ['fe80::1%eth0', false],
  ['ff02::1', false],
  ['not an address', false],
]

test.each(edges)('%s on the public internet: %s', (address, expected) => {
  expect(isPublicAddress(address)).toBe(expected)
})

test.each([
  ['ws://relay.example', true],
  ['ws://relay.example.', true],
  ['ws://8.8.8.8', true],
  ['ws://[2001:4860:4860::8888]', true],
  ['ws://localhost', false],
  ['ws://LOCALHOST.', false],
  ['ws://relay.localhost', false],
  ['ws://printer.local', false],
  ['ws://db.internal', false],
  ['ws://router', false],
  ['ws://x.onion', false],
  ['ws://127.1', false],
  ['ws://0x7f.1', false],
  ['ws://2130706433', false],
  ['ws://0', false],
  ['ws://[::1]', false],
  ['ws://[::ffff:10.0.0.1]', false],
])('%s: %s', (url, expected) => {
  expect(isPublicHost(new URL(url).hostname)).toBe(expected)
})

const lookUp = (name: string, all: boolean) =>
  new Promise(resolve => publicLookup(name, { all }, (error, address) => resolve(error ? error.message : address)))

test('a name that resolves to this machine is refused when it is looked up, so it cannot be bound anew', async () => {
  for (const all of [true, false]) expect(await lookUp('localhost', all)).toMatch(/not on the public internet/)
})

test('a dial for strangers’ addresses never reaches this machine, however it is spelt; the agent’s own may', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => new Promise(resolve => server.close(() => resolve())))
  const { port } = server.address() as AddressInfo
  const outcome = (host: string, publicOnly: boolean) =>
    new Promise(resolve => {
      const socket = dialNode(
        `ws://${host}:${port}`,
        {
          onOpen() {
            resolve('open')
            socket.terminate()
          },
          onText() {},
          onClose: (_code, reason) => resolve(reason),
        },
        { publicOnly },
      )
    })
  expect(await outcome('127.0.0.1', false)).toBe('open')
  for (const host of ['127.0.0.1', 'localhost', '2130706433', '[::ffff:127.0.0.1]'])
    expect(await outcome(host, true)).toMatch(/not on the public internet/)
  expect(server.clients.size).toBeLessThanOrEqual(1)
})
