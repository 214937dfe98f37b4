import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'

/** An HTTP answer in place of an upgrade. */
export interface UpgradeRefusal {
  readonly status: number
  /** One line for a person. */
  readonly why: string
  readonly headers: Readonly<Record<string, string>>
}

export const refuse = (
  status: number,
  why: string,
  headers: Readonly<Record<string, string>> = {},
): UpgradeRefusal => ({ status, why, headers })

/** Answers over the stream of a request that was to be upgraded, and closes it. */
export function sendRefusal(stream: Duplex, { status, why, headers }: UpgradeRefusal): void {
  const all = {
    connection: 'close',
    'content-type': 'text/plain; charset=utf-8',
    'content-length': String(Buffer.byteLength(why)),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  stream.once('finish', () => stream.destroy())
  stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('\r\n')}\r\n\r\n${why}`)
}
