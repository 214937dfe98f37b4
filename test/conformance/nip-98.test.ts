import type { EventTemplate } from 'posthorn/protocol'
import { expect } from 'vitest'
import { corrupt, nowSeconds, type Person } from '../helpers/events.ts'
import { ask, header, token } from '../relay/http-client.ts'
import { nip } from './rules.ts'

const { rule } = nip('98')

const statusOf = async (url: string, authorization: string, init: RequestInit = {}) =>
  (await ask(url, { ...init, headers: { authorization } })).status
const signed = (who: Person, url: string, change: Partial<EventTemplate> = {}) => header(token(who, url, { change }))

rule('the header is the word Nostr and a base64 event; what is no token is 401', async ({ httpUrl, alice }) => {
  const url = `${httpUrl}/sync`
  expect(await statusOf(url, signed(alice, url))).toBe(200)
  expect(await statusOf(url, signed(alice, url).replace('Nostr', 'nostr'))).toBe(200)
  const good = signed(alice, url)
  for (const bad of [good.replace('Nostr', 'Bearer'), good.replace('Nostr ', ''), 'Nostr e30=', 'Nostr %%%'])
    expect(await statusOf(url, bad)).toBe(401)
})

rule('the token is a kind 27235 with a valid signature', async ({ httpUrl, alice }) => {
  const url = `${httpUrl}/sync`
  expect(await statusOf(url, signed(alice, url, { kind: 22_242 }))).toBe(401)
  expect(await statusOf(url, header(corrupt(token(alice, url), 'sig')))).toBe(401)
  expect(await statusOf(url, header({ ...token(alice, url), content: 'x' }))).toBe(401)
})

rule('its created_at is within a minute of the relay’s clock', async ({ httpUrl, alice }) => {
  const url = `${httpUrl}/sync`
  for (const off of [-50, 50])
    expect(await statusOf(url, signed(alice, url, { created_at: nowSeconds() + off }))).toBe(200)
  for (const off of [-70, 70])
    expect(await statusOf(url, signed(alice, url, { created_at: nowSeconds() + off }))).toBe(401)
})

rule('`u` is the exact URL with its query', async ({ httpUrl, alice }) => {
  const url = `${httpUrl}/sync?since_seq=0&wait=0`
  expect(await statusOf(url, signed(alice, url))).toBe(200)
  for (const u of [
    `${httpUrl}/sync`,
    `${httpUrl}/sync?wait=0&since_seq=0`,
    `${url}&x`,
    httpUrl,
    url.replace('http', 'https'),
  ])
    expect(await statusOf(url, signed(alice, u)), u).toBe(401)
})

rule('`method` is the exact method', async ({ httpUrl, alice }) => {
  const url = `${httpUrl}/sync`
  for (const method of ['POST', 'get', 'HEAD', ''])
    expect(await statusOf(url, header(token(alice, url, { method })))).toBe(401)
})

rule('`payload` is the hash of the body', async ({ httpUrl, alice, now }) => {
  const url = `${httpUrl}/event`
  const body = JSON.stringify(alice.sign({ created_at: now }))
  const post = (of: Parameters<typeof token>[2]) =>
    statusOf(url, header(token(alice, url, { method: 'POST', ...of })), { method: 'POST', body })
  expect(await post({})).toBe(401)
  expect(await post({ body: `${body} ` })).toBe(401)
  expect(await post({ body })).toBe(200)
})

rule('a token is good for one request', async ({ httpUrl, alice }) => {
  const url = `${httpUrl}/sync`
  const once = signed(alice, url)
  expect([await statusOf(url, once), await statusOf(url, once)]).toEqual([200, 401])
  const together = signed(alice, url)
  const statuses = await Promise.all(Array.from({ length: 4 }, () => statusOf(url, together)))
  expect(statuses.sort()).toEqual([200, 401, 401, 401])
})
