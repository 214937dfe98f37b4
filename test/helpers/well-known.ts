import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** A domain on this machine, which answers as told; `asked` are the paths it was asked for. */
export async function wellKnown(answer: RequestListener): Promise<{ readonly host: string; readonly asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? '')
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** A `nostr.json`. */
export const namesJson =
  (names: Readonly<Record<string, unknown>>, relays?: unknown): RequestListener =>
  (_request, response) =>
    response.end(JSON.stringify({ names, relays }))
