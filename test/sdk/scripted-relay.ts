import type { AddressInfo } from 'node:net'
import { encodeEvent, type NostrEvent } from 'posthorn/protocol'
import { onTestFinished } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'

/** One client's connection to a relay that says what the test wants: hostile ones, and ones without SEQ. */
export interface Peer {
  readonly socket: WebSocket
  readonly number: number
  send(...frame: unknown[]): void
  /** An EVENT frame; the event may be damaged. */
  event(sub: string, event: NostrEvent, seq?: number): void
}

// biome-ignore lint/suspicious/noExplicitAny: a script reads the client's JSON as it comes
export type Script = (peer: Peer, frame: any[]) => void

export interface ScriptedRelay {
  readonly url: string
  /** Every frame any client sent, in order. */
  readonly heard: unknown[][]
  readonly connections: number
  /** Cuts every connection. */
  drop(): void
}

/**
 * `greet`: what is said on connecting. `lists` answers questions for relay lists; without it nobody has any. NEG-OPEN that a script leaves
 * unanswered is refused, unless it is `silent`: each silence costs its client, and the test, seconds.
 */
export async function scriptedRelay(
  script: Script,
  greet?: (peer: Peer) => void,
  lists?: Script,
  silent = false,
): Promise<ScriptedRelay> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await new Promise(resolve => server.once('listening', resolve))
  const heard: unknown[][] = []
  let connections = 0
  server.on('connection', socket => {
    connections += 1
    let answers = 0
    const send = (...frame: unknown[]) => {
      answers += 1
      socket.send(JSON.stringify(frame))
    }
    const peer: Peer = {
      socket,
      number: connections,
      send,
      event: (sub, event, seq) =>
        socket.send(`["EVENT",${JSON.stringify(sub)},${encodeEvent(event)}${seq === undefined ? '' : `,${seq}`}]`),
    }
    greet?.(peer)
    socket.on('message', data => {
      const frame = JSON.parse(String(data))
      if (frame[0] === 'REQ' && frame[2]?.kinds?.includes(10_050))
        return lists ? lists(peer, frame) : send('EOSE', frame[1], ['finish'])
      heard.push(frame)
      const before = answers
      script(peer, frame)
      if (frame[0] === 'NEG-OPEN' && answers === before && !silent) send('NEG-ERR', frame[1], 'error: not known here')
    })
  })
  onTestFinished(async () => {
    for (const client of server.clients) client.terminate()
    await new Promise(resolve => server.close(resolve))
  })
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    drop() {
      for (const client of server.clients) client.terminate()
    },
    get connections() {
      return connections
    },
  }
}
