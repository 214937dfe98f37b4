import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { tempDir } from '../helpers/temp-dir.ts'
import { CA, EXPIRED, FUTURE, GOOD, KEY, OTHER, SELF } from '../helpers/tls-certificates.ts'

const DIAL = pathToFileURL('dist/platform/dial-node.js').href

/** Why a process that trusts the tests' authority, or not, cannot connect. */
async function reason(cert: string, trusts: boolean): Promise<string> {
  const server = createServer({ key: KEY, cert }, (_, answer) => answer.writeHead(404).end())
  server.on('upgrade', (_, socket) => socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const authority = join(tempDir(), 'ca.pem')
  writeFileSync(authority, CA)
  const script = `
    import { dialNode } from ${JSON.stringify(DIAL)}
    dialNode('wss://localhost:${(server.address() as AddressInfo).port}', { onText() {}, onClose: (_, why) => console.log(why) })`
  // Neither a proxy nor an authority of the machine that runs this.
  const env = { PATH: process.env['PATH'] ?? '' }
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...env, ...(trusts ? { NODE_EXTRA_CA_CERTS: authority } : {}) },
  })
  return stdout.trim()
}

test.each([
  ['that has expired', EXPIRED, true, /has expired: its operator has to renew it.*\(CERT_HAS_EXPIRED\)/],
  ['of a time to come', FUTURE, true, /not valid yet: is the clock of this machine right\? \(CERT_NOT_YET_VALID\)/],
  ['for another host', OTHER, true, /for another host name: write the name.*\(ERR_TLS_CERT_ALTNAME_INVALID\)/],
  ['signed by itself', SELF, true, /signed by itself.*NODE_EXTRA_CA_CERTS \(DEPTH_ZERO_SELF_SIGNED_CERT\)/],
  [
    'of an unknown authority',
    GOOD,
    false,
    /does not trust.*NODE_EXTRA_CA_CERTS \(UNABLE_TO_(VERIFY_LEAF_SIGNATURE|GET_ISSUER_CERT_LOCALLY)\)/,
  ],
  ['that is right', GOOD, true, /no relay at this address \(HTTP 404\)/],
])('a certificate %s: said so, and what to do', async (_, cert, trusts, words) => {
  expect(await reason(cert, trusts)).toMatch(words)
})
