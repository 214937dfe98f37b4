import { expect, test } from 'vitest'
import { ASSETS } from '#dist/relay/http/page.js'
import { nowSeconds, person } from '../helpers/events.ts'
import { ask, authorize, post } from './http-client.ts'
import { startRelay } from './relay-on-test.ts'

const owner = person('owner')
const page = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

test('a browser gets the page, a tool gets text, a client gets the document', async () => {
  const { url } = await startRelay()
  const http = url.replace('ws:', 'http:')
  const html = await ask(`${http}/`, { headers: page })
  expect(html.status).toBe(200)
  expect(html.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(html.headers.get('vary')).toBe('accept')
  const policy = html.headers.get('content-security-policy')
  expect(policy).toContain("default-src 'none'")
  expect(policy).not.toMatch(/unsafe|\*|data: .*script/)
  expect(html.body).not.toMatch(/<script>|<style| style=| on\w+=/)
  expect((await ask(`${http}/`)).body).toContain('Connect with a WebSocket')
  expect((await ask(`${http}/`, { headers: { accept: 'application/nostr+json' } })).body).toHaveProperty('limitation')
})

test('everything the page loads is served, and again only when it changed', async () => {
  const { url } = await startRelay()
  const http = url.replace('ws:', 'http:')
  const { body } = await ask(`${http}/`, { headers: page })
  const wanted = [...body.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]: string[]) => path ?? '')
  expect(wanted).toEqual(['/page/style.css', '/page/main.js'])
  for (const path of wanted) {
    const { status, headers, body: text } = await ask(`${http}${path}`)
    expect(status, path).toBe(200)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    const again = await ask(`${http}${path}`, { headers: { 'if-none-match': headers.get('etag') ?? '' } })
    expect([again.status, again.body]).toEqual([304, ''])
    for (const [, from = ''] of text.matchAll(/from '([^']+)'/g)) {
      const next = new URL(from, `${http}${path}`).pathname
      if (!wanted.includes(next)) wanted.push(next)
    }
  }
  expect(new Set(wanted)).toEqual(new Set(Object.keys(ASSETS)))
  expect((await ask(`${http}/page/../relay.js`)).status).toBe(404)
})

test('live numbers', async () => {
  const { url, connect } = await startRelay()
  const http = url.replace('ws:', 'http:')
  await post(http, person('alice').sign({ created_at: nowSeconds() }))
  const wire = await connect()
  await wire.request('s', { kinds: [1] })
  expect((await ask(`${http}/stats`)).body).toMatchObject({
    connections: 1,
    subscriptions: 1,
    head: { last: 1 },
    log: { everyS: 10, samples: [] },
  })
})

test('an owner makes invites, reads what is kept, and has it applied', async () => {
  const call = async (http: string, method: string) => {
    const body = JSON.stringify({ method, params: [] })
    const headers = { 'content-type': 'application/nostr+json+rpc' }
    return (
      await ask(`${http}/`, {
        method: 'POST',
        body,
        headers: { ...headers, ...authorize(owner, `${http}/`, { method: 'POST', body }) },
      })
    ).body
  }
  const open = await startRelay({
    owners: [owner.pubkey],
    retention: [{ kinds: [1], maxAgeS: 3_600 }, { maxCount: 10 }],
  })
  const http = open.url.replace('ws:', 'http:')
  expect(await call(http, 'createinvite')).toEqual({ error: 'unsupported: this relay has no members to invite' })
  expect(await call(http, 'listretention')).toEqual({
    result: { rules: ['kinds 1: for 1 hours', 'every kind: the latest 10'] },
  })
  for (let n = 0; n < 12; n += 1)
    await post(http, person('alice').sign({ kind: 4_700, created_at: nowSeconds() - n, content: `${n}` }))
  expect(await call(http, 'prune')).toEqual({ result: 2 })
})
