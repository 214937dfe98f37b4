import { describe, expect, test } from 'vitest'
import { hostAllowed, hostName, originAllowed } from '#dist/platform/origin.js'

describe('Origin at a server for this machine only', () => {
  test.each([
    undefined,
    'aionostr',
    'nullable',
    'app://obsidian.md',
    'tauri://localhost',
    'vscode-webview://1f0d',
    'my-agent/1.0',
    'http://localhost:3000',
    'http://127.0.0.1',
    'https://[::1]:8443',
    'chrome-extension://allowed',
  ])('%s passes', origin => {
    expect(originAllowed(origin, true, ['chrome-extension://allowed'])).toBe(true)
  })

  test.each([
    '',
    'null',
    'NULL',
    'https://evil.example',
    'HTTPS://evil.example',
    'http://127.0.0.1.evil.example',
    'http://localhost@evil.example',
    'http://x@localhost',
    'http://localhost https://evil.example',
    'app://x https://evil.example',
    'aionostr, https://evil.example',
    'file://',
    'file:///home/me/page.html',
    'ftp://localhost',
    'blob:https://evil.example/1',
    'chrome-extension://other',
    'moz-extension://0f4e-11',
    'safari-web-extension://5',
    'ms-browser-extension://5',
    'chrome-untrusted://new-tab',
    'isolated-app://abc',
    'data:',
    'ws://evil.example',
  ])('%j does not', origin => {
    expect(originAllowed(origin, true, ['chrome-extension://allowed'])).toBe(false)
    expect(originAllowed(origin, false, [])).toBe(true)
  })
})

test.each([
  ['localhost', 'localhost'],
  ['LOCALHOST:80', 'localhost'],
  ['127.0.0.1:7678', '127.0.0.1'],
  ['127.1', '127.0.0.1'],
  ['[::1]:1', '[::1]'],
  ['evil.example', 'evil.example'],
  ['x@localhost', undefined],
  ['evil.example#@localhost', undefined],
  ['localhost/evil', undefined],
  ['localhost?', undefined],
  ['localhost:port', undefined],
  ['local host', undefined],
  ['\\localhost', undefined],
  ['[::1', undefined],
  ['', undefined],
  [undefined, undefined],
])('the name in Host %j is %j', (host, name) => {
  expect(hostName(host)).toBe(name)
  expect(hostAllowed(host, true)).toBe(name !== undefined && name !== 'evil.example')
  expect(hostAllowed(host, false)).toBe(true)
})
