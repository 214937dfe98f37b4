import { InviteError } from '../errors.ts'
import { fromNpub, npubOf } from '../npub.ts'

/** What an invite text says. */
export interface InviteText {
  /** Who invites, 64 hex. */
  readonly pubkey: string
  /** Where they read mail, as written. */
  readonly relays: readonly string[]
  /** Names the invite, to the inviter alone. */
  readonly token: string
  /** Seconds since 1970. */
  readonly expires: number
  /** What they call themselves. */
  readonly name?: string
  /** Lets one key into the first relay, which is for members (NIP-43). */
  readonly claim?: string
}

/** Addresses an invite may name. */
export const MAX_INVITE_RELAYS = 4
const MAX_CHARS = 2_048
const SCHEME = 'posthorn:'
/** 128 to 256 bits. */
const TOKEN = /^[0-9a-f]{32,64}$/
const EXPIRES = /^\d{1,12}$/
const CLAIM = /^[\x21-\x7e]{1,256}$/

/** `posthorn:npub1…?relay=…&token=…&expires=…`; docs/protocol.md has the form. */
export function encodeInvite({ pubkey, relays, token, expires, name, claim }: InviteText): string {
  const query = new URLSearchParams([
    ...relays.map(url => ['relay', url]),
    ['token', token],
    ['expires', String(expires)],
    ...(name === undefined ? [] : [['name', name]]),
    ...(claim === undefined ? [] : [['claim', claim]]),
  ])
  return `${SCHEME}${npubOf(pubkey)}?${query}`
}

/** Reads an invite somebody was given. Throws {@link InviteError}; the message never holds the token. */
export function parseInvite(text: string): InviteText {
  const trimmed = text.trim()
  if (trimmed.length > MAX_CHARS || !trimmed.toLowerCase().startsWith(SCHEME) || !URL.canParse(trimmed))
    throw malformed('an invite begins with posthorn: and is copied whole')
  const { pathname, searchParams } = new URL(trimmed)
  const one = (field: string, form: RegExp): string | undefined => {
    const values = searchParams.getAll(field)
    const [value = ''] = values
    if (values.length > 1 || (values.length === 1 && !form.test(value))) throw malformed(`its ${field} is unreadable`)
    return values[0]
  }
  const pubkey = /^[0-9a-f]{64}$/.test(pathname) ? pathname : fromNpub(pathname)
  const [token, expires, claim] = [one('token', TOKEN), one('expires', EXPIRES), one('claim', CLAIM)]
  const relays = [...new Set(searchParams.getAll('relay'))]
  if (pubkey === undefined) throw malformed('it names nobody: the npub is damaged')
  if (token === undefined || expires === undefined) throw malformed('its end is missing')
  if (relays.length === 0 || relays.length > MAX_INVITE_RELAYS)
    throw malformed(`it names ${relays.length} relays instead of 1 to ${MAX_INVITE_RELAYS}`)
  // Their word for themselves: what is no name is passed over, see freeName.
  const name = searchParams.get('name')
  return {
    pubkey,
    relays,
    token,
    expires: Number(expires),
    ...(name === null ? {} : { name }),
    ...(claim === undefined ? {} : { claim }),
  }
}

const malformed = (what: string): InviteError =>
  new InviteError('invite-malformed', `that is no invite: ${what}; ask for it again.`)
