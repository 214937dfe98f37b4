import { sleep } from '../platform/timers.ts'
import type { Post } from './post.ts'

/** Between looks at a home that another process may write, in ms. */
const LOOK_MS = 250

/** For relays that are just being asked, in ms. */
const CATCH_UP_MS = 3_000

/** Asks `look` until it answers, `ms` are over or the signal aborts; then undefined. Looks at once when the agent has news. */
export async function waitFor<T>(
  { mailbox, timers }: Pick<Post, 'mailbox' | 'timers'>,
  look: () => T | undefined,
  { ms, signal }: { readonly ms: number; readonly signal: AbortSignal },
): Promise<T | undefined> {
  const over = new AbortController()
  const cancel = timers.after(ms, () => over.abort())
  const stop = AbortSignal.any([signal, over.signal])
  try {
    for (;;) {
      const found = look()
      if (found !== undefined || stop.aborted) return found
      const news = new AbortController()
      const hear = () => news.abort()
      const stops = [mailbox.agent?.on('message', hear), mailbox.agent?.on('delivery', hear)]
      await sleep(timers, LOOK_MS, AbortSignal.any([stop, news.signal]))
      for (const stopHearing of stops) stopHearing?.()
    }
  } finally {
    cancel()
  }
}

/** Relays that are being asked just now are given a moment; one that is away is not waited for. */
export async function catchUp({ mailbox }: Pick<Post, 'mailbox'>): Promise<void> {
  const { agent } = mailbox
  const isAsking = agent
    ?.status()
    .relays.some(({ state, error }) => state === 'catching-up' || (state === 'offline' && error === undefined))
  if (isAsking) await agent?.sync({ maxMs: CATCH_UP_MS })
}
