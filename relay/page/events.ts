import { ago, make, part, plain, shortKey } from './dom.ts'
import type { PageEvent, PageSocket } from './socket.ts'

const MOST = 20
/** What a visitor may call these (docs/protocol.md). */
const KINDS: Readonly<Record<number, string>> = {
  0: 'profile',
  1: 'note',
  5: 'deletion',
  4700: 'message',
  4701: 'receipt',
  14705: 'agent card',
  34701: 'state',
  34702: 'state snapshot',
  34706: 'presence',
}

/** The newest events that anybody may read. Sealed ones are named as such and not shown. Returns what draws it anew. */
export function showEvents(socket: PageSocket, now: () => number): () => void {
  let newest: PageEvent[] = []
  const draw = () => {
    if (newest.length > 0) part('events').replaceChildren(...newest.map(event => item(event, now())))
  }
  let stored = false
  socket.follow({
    filter: { limit: MOST },
    onEvent(event) {
      if (newest.some(({ id }) => id === event.id)) return
      newest = [...newest, event].sort((a, b) => b.created_at - a.created_at).slice(0, MOST)
      if (stored) draw()
    },
    onStored() {
      stored = true
      draw()
    },
  })
  return draw
}

function item({ kind, pubkey, created_at, tags, content }: PageEvent, now: number): HTMLElement {
  const sealed = tags.some(([name]) => name === 'encrypted')
  const shown = sealed ? `sealed, ${content.length.toLocaleString('en')} characters` : plain(content, 200)
  return make(
    'li',
    {},
    make('strong', {}, KINDS[kind] ?? `kind ${kind}`),
    make('small', { title: pubkey }, ` ${shortKey(pubkey)} · ${ago(created_at, now)}`),
    shown === '' ? undefined : make('p', sealed ? { className: 'quiet' } : {}, shown),
  )
}
