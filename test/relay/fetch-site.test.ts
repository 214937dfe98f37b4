import { expect, test } from 'vitest'
import { startRelay } from '../helpers/start-relay.ts'
import { ask } from './http-client.ts'

test.each<[string, Record<string, string>, number]>([
  ['an image on another site’s page', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
  ['one on a page of another port', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }, 403],
  ['the address bar', { 'sec-fetch-site': 'none' }, 200],
  ['its own page', { 'sec-fetch-site': 'same-origin' }, 200],
  ['a program', {}, 200],
])('a local relay and GET /sync from %s', async (_, headers, status) => {
  await using relay = await startRelay()
  expect((await ask(`${relay.httpUrl}/sync`, { headers })).status).toBe(status)
})

test.each(['/', '/healthz', '/readyz', '/stats'])('HEAD %s is answered as GET, without a body', async path => {
  await using relay = await startRelay()
  const response = await fetch(`${relay.httpUrl}${path}`, { method: 'HEAD' })
  expect(response.status).toBe(200)
  expect(await response.text()).toBe('')
})
