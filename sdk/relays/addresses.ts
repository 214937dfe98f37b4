import { isPublicHost } from '../../platform/address-class.ts'

const MAX_URL_CHARS = 256

/**
 * A relay address that somebody else gave, normalised; undefined if it is not to be dialled: no ws(s), a name or password in it,
 * too long, or, unless allowed, on this machine or a private network. What a name resolves to is checked when it is dialled.
 */
export function foreignRelay(text: string, allowPrivate: boolean): string | undefined {
  if (text.length > MAX_URL_CHARS || !URL.canParse(text)) return undefined
  const url = new URL(text)
  if ((url.protocol !== 'ws:' && url.protocol !== 'wss:') || url.username || url.password) return undefined
  if (!allowPrivate && !isPublicHost(url.hostname)) return undefined
  url.hash = ''
  return url.pathname === '/' && !url.search ? url.origin : url.href
}

/** Whether such addresses are dialled at others' word: as was said, else only if all own relays are there. */
export const allowsPrivate = (given: boolean | undefined, own: readonly string[]): boolean =>
  given ?? own.every(isPrivateRelay)

/** An address on this machine or a private network, as far as its spelling tells. */
export const isPrivateRelay = (url: string): boolean => !isPublicHost(new URL(url).hostname)
