/** What id and signature are checked against, cut out of an event's JSON text. */
export interface SignedText {
  /** 64 hex. */
  readonly id: string
  /** 64 hex. */
  readonly pubkey: string
  /** 128 hex. */
  readonly sig: string
  /** The array whose hash is the id (NIP-01). */
  readonly idText: string
}

/** `,"sig":"` + 128 hex + `"}` */
const SIG_PART = 138
const START = /^\{"id":"([0-9a-f]{64})","pubkey":"([0-9a-f]{64})","created_at":(\d+),"kind":(\d+),"tags":\[/
const END = /^,"sig":"([0-9a-f]{128})"\}$/
const CONTENT = '],"content":"'

/**
 * Cuts instead of parsing and writing anew, which would cost more than the hash. Undefined if the text is not one that
 * `encodeEvent` wrote. Sound because a string inside JSON holds no unescaped quote, so the first `],"content":"` is the real one.
 */
export function cutEncodedEvent(json: string): SignedText | undefined {
  const start = START.exec(json)
  const sig = END.exec(json.slice(-SIG_PART))?.[1]
  if (start === null || sig === undefined) return undefined
  const [{ length }, id = '', pubkey = '', createdAt, kind] = start
  const tagsEnd = json.indexOf(CONTENT, length - 1) + 1
  if (tagsEnd === 0) return undefined
  const tags = json.slice(length - 1, tagsEnd)
  const content = json.slice(tagsEnd + CONTENT.length - 2, -SIG_PART)
  return { id, pubkey, sig, idText: `[0,"${pubkey}",${createdAt},${kind},${tags},${content}]` }
}
