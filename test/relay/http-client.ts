import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import type { EventTemplate, NostrEvent } from 'posthorn/protocol'
import WebSocket from 'ws'
import { nowSeconds, type Person } from '../helpers/events.ts'

let tokens = 0

/** A NIP-98 token as a client would make it; `change` breaks it. Every one is different. */
export function token(
  who: Person,
  url: string,
  { method = 'GET', body, change = {} }: { method?: string; body?: string; change?: Partial<EventTemplate> } = {},
): NostrEvent {
  tokens += 1
  const payload = body === undefined ? [] : [['payload', createHash('sha256').update(body).digest('hex')]]
  const tags = [['u', url], ['method', method], ...payload, ['n', String(tokens)]]
  return who.sign({ kind: 27_235, created_at: nowSeconds(), tags, ...change })
}

export const header = (event: NostrEvent): string => `Nostr ${Buffer.from(JSON.stringify(event)).toString('base64')}`

/** The header of a token for this request. */
export const authorize = (...of: Parameters<typeof token>): { authorization: string } => ({
  authorization: header(token(...of)),
})

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly body: any
}

export async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true && text !== ''
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
}

/** Posts an event, with a token if `as` is given. `baseUrl` is what the token names. */
export const post = (httpUrl: string, event: unknown, as?: Person): Promise<Answer> => {
  const url = `${httpUrl}/event`
  const body = JSON.stringify(event)
  return ask(url, {
    method: 'POST',
    body,
    headers: as === undefined ? {} : authorize(as, url, { method: 'POST', body }),
  })
}

export const syncUrl = (httpUrl: string, query: Record<string, unknown> = {}): string => {
  const texts = Object.entries(query).map(([key, value]): [string, string] => [
    key,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ])
  const search = new URLSearchParams(texts).toString()
  return `${httpUrl}/sync${search === '' ? '' : `?${search}`}`
}

export const sync = (httpUrl: string, query: Record<string, unknown> = {}, as?: Person, signal?: AbortSignal) => {
  const url = syncUrl(httpUrl, query)
  return ask(url, { headers: as === undefined ? {} : authorize(as, url), ...(signal ? { signal } : {}) })
}

/** For headers that fetch does not let one set. */
export function askRaw(url: string, headers: Record<string, string>, method = 'GET', body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, setHost: false }, response => {
      let text = ''
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () => {
        const isJson = response.headers['content-type']?.includes('json') === true && text !== ''
        resolve({
          status: response.statusCode ?? 0,
          headers: new Headers(response.headers as Record<string, string>),
          body: isJson ? JSON.parse(text) : text,
        })
      })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

type Frame = readonly unknown[]

/** A plain socket that says frames and hears until one of a kind comes. */
export async function openSocket(url: string) {
  const socket = new WebSocket(url)
  const heard: Frame[] = []
  socket.on('message', data => heard.push(JSON.parse(String(data))))
  await once(socket, 'open')
  return {
    heard,
    say: (...frame: Frame) => socket.send(JSON.stringify(frame)),
    /** Everything heard so far up to the first frame of this type, taken off. */
    async until(...types: string[]): Promise<Frame[]> {
      for (;;) {
        const end = heard.findIndex(([type]) => types.includes(String(type)))
        if (end !== -1) return heard.splice(0, end + 1)
        await once(socket, 'message')
      }
    },
    close: () => socket.terminate(),
  }
}
