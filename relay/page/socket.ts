import type { Timers } from '../../platform/timers.ts'

/** An event as the relay sent it. It was verified before it was stored; this page trusts the relay that it came from. */
export interface PageEvent {
  readonly id: string
  readonly pubkey: string
  readonly kind: number
  readonly created_at: number
  readonly tags: readonly (readonly string[])[]
  readonly content: string
}

export interface Template {
  readonly kind: number
  readonly created_at: number
  readonly tags: string[][]
  readonly content: string
}

export interface Feed {
  readonly filter: object
  onEvent(event: PageEvent): void
  /** Everything stored was told. */
  onStored?(): void
}

export interface PageSocketOptions {
  readonly url: string
  readonly timers: Timers
  readonly onState: (state: string, bad: boolean) => void
}

const RETRY_MS = 3_000

/** The page's own connection: feeds that are asked for again after each reconnect, and after a login. */
export function openSocket({ url, timers, onState }: PageSocketOptions) {
  const feeds = new Map<string, Feed>()
  const waiting = new Map<string, (accepted: boolean, message: string) => void>()
  let socket: WebSocket | undefined
  let challenge: string | undefined
  let count = 0

  const send = (...frame: unknown[]) => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame))
  }
  const ask = () => {
    for (const [sub, { filter }] of feeds) send('REQ', sub, filter)
  }
  const onFrame = (frame: readonly unknown[]) => {
    const [type, id, third, fourth] = frame
    if (type === 'AUTH') challenge = String(id)
    if (type === 'OK') {
      waiting.get(String(id))?.(third === true, String(fourth))
      waiting.delete(String(id))
    }
    const feed = feeds.get(String(id))
    if (type === 'EVENT') feed?.onEvent(third as PageEvent)
    if (type === 'EOSE') feed?.onStored?.()
    if (type === 'CLOSED') onState(String(third), true)
  }
  const dial = () => {
    socket = new WebSocket(url)
    socket.addEventListener('open', () => {
      onState('connected', false)
      ask()
    })
    socket.addEventListener('message', ({ data }) => {
      const frame: unknown = JSON.parse(String(data))
      if (Array.isArray(frame)) onFrame(frame)
    })
    socket.addEventListener('close', () => {
      onState('connection lost; trying again', true)
      challenge = undefined
      timers.after(RETRY_MS, dial)
    })
  }
  dial()

  return {
    follow(feed: Feed): void {
      count += 1
      const sub = `page-${count}`
      feeds.set(sub, feed)
      send('REQ', sub, feed.filter)
    },
    /** NIP-42 with a key of the visitor's; feeds are asked for again with what it may see. Rejects with the relay's reason. */
    async authenticate(sign: (template: Template) => Promise<PageEvent>, now: number): Promise<void> {
      if (challenge === undefined) return
      const tags = [
        ['relay', url],
        ['challenge', challenge],
      ]
      const event = await sign({ kind: 22_242, created_at: now, tags, content: '' })
      await new Promise<void>((resolve, reject) => {
        waiting.set(event.id, (accepted, message) => (accepted ? resolve() : reject(new Error(message))))
        send('AUTH', event)
      })
      onState('connected', false)
      ask()
    },
  }
}

export type PageSocket = ReturnType<typeof openSocket>
