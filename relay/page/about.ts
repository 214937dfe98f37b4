import type { Timers } from '../../platform/timers.ts'
import { button, make, pair, part, plain } from './dom.ts'

/** What we read of the relay's own NIP-11 document. */
export interface About {
  readonly name?: string
  readonly description?: string
  readonly pubkey?: string
  readonly version?: string
  readonly supported_nips?: readonly number[]
  readonly limitation?: Readonly<Record<string, unknown>>
}

const COPIED_MS = 2_000

/** What this relay is, how to connect, what it enforces. */
export function showAbout(about: About, url: string, timers: Timers): void {
  const name = plain(about.name ?? 'posthorn', 100)
  document.title = `${name} – relay`
  part('name').textContent = name
  part('description').textContent = plain(about.description ?? '', 500)
  part('ways').replaceChildren(
    way('Address', url, timers),
    way('A profile', `posthorn init --relay ${url}`, timers),
    way('Write to it', 'posthorn send default "hello"', timers),
    way('In code', `openAgent({ name: 'me', relays: ['${url}'] })`, timers),
  )
  const limits = Object.entries(about.limitation ?? {})
  part('limits').replaceChildren(
    ...limits.map(([term, value]) => pair(term.replaceAll('_', ' '), plain(String(value), 100))),
    pair('NIPs', (about.supported_nips ?? []).join(', ')),
    pair('version', plain(about.version ?? '', 40)),
    ...(about.pubkey === undefined ? [] : [pair('contact key', plain(about.pubkey, 64))]),
  )
}

function way(term: string, text: string, timers: Timers): HTMLElement {
  const copy = button('Copy', () => {
    navigator.clipboard.writeText(text).then(
      () => say('Copied'),
      () => say('Select it by hand'),
    )
  })
  copy.setAttribute('aria-label', `Copy: ${term}`)
  const say = (word: string) => {
    copy.textContent = word
    timers.after(COPIED_MS, () => {
      copy.textContent = 'Copy'
    })
  }
  return pair(term, make('code', {}, text), copy)
}
