import type { NostrEvent } from '../../protocol/event.ts'
import type { Host } from '../api.ts'
import type { LocalSigner } from '../identity/local-signer.ts'
import { createLine, type Line } from '../link/line.ts'
import { createLink } from '../link/link.ts'

/** Requests and answers of NIP-46; ephemeral. */
export const REMOTE_SIGNING = 24_133

export interface EndsOptions {
  readonly host: Host
  readonly relays: readonly string[]
  /** The key that this end is known by to the signer. */
  readonly client: LocalSigner
  /** Only events of this key; undefined: of anybody, as long as nobody is known. */
  readonly author?: string
  /** Verified. */
  onEvent(event: NostrEvent): void
  /** A relay can be written to, and listens for us. */
  onOpen(line: Line): void
  onDown(reason: string): void
}

/** A connection to each relay over which a remote signer is talked to. */
export interface Ends {
  readonly lines: readonly Line[]
  close(): Promise<void>
}

export function openEnds({ host, relays, client, author, ...on }: EndsOptions): Ends {
  const from = author === undefined ? {} : { authors: [author] }
  const ends = relays.map(url => {
    const link = createLink({
      ...host,
      url,
      reconnect: true,
      introduce: true,
      authenticate: client.sign,
      onOpen: () => line.opened(),
      onPause: () => line.lost('error: the relay is about to know us by another key'),
      onDown(reason) {
        on.onDown(reason)
        line.lost(`error: ${reason}`)
      },
    })
    const line = createLine(link, host)
    // Verified, and asked for: `watch` drops everything else.
    line.watch([{ kinds: [REMOTE_SIGNING], ...from, '#p': [client.pubkey], limit: 0 }], { onEvent: on.onEvent })
    // After `watch`: whoever asks before it listens misses the answer.
    line.follow({ onOpen: () => on.onOpen(line) })
    return { link, line }
  })
  return {
    lines: ends.map(({ line }) => line),
    close: async () => void (await Promise.all(ends.map(({ link }) => link.close()))),
  }
}
