import type { NostrEvent } from '../protocol/event.ts'
import { isRecord, parseJson } from '../protocol/json.ts'
import { audienceOf } from '../protocol/kinds.ts'

/** Raised whenever terms or searchable text below change: the index on disk is then built anew. */
export const SEARCH_VERSION = 1

/** Of longer ones (keys, hashes, encodings) the beginning counts. */
const TERM_CHARS = 64
/** Scripts written without spaces: each character counts as a word. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/gu

/** The words of a text, without case and accents. One function for index and query, so that both always agree. */
export function termsOf(text: string): string[] {
  // The same by a shorter way, for most of what is written: every stored event passes here.
  if (/^[\0-\x7f]*$/.test(text)) return (text.toLowerCase().match(/[a-z0-9]+/g) ?? []).map(cut)
  const plain = text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().replace(UNSPACED, ' $& ')
  return (plain.match(/[\p{L}\p{N}]+/gu) ?? []).map(cut)
}

const cut = (term: string): string => (term.length > TERM_CHARS ? term.slice(0, TERM_CHARS) : term)

/**
 * What a query must find, each once; none = no condition. `key:value` words are extensions (NIP-50); this relay knows none and
 * ignores them.
 */
export function queryTerms(search: string): string[] {
  const words = search.split(/\s+/).filter(word => !/^[a-z][a-z0-9_-]*:[^/\s]\S*$/i.test(word))
  return [...new Set(termsOf(words.join(' ')))]
}

/** Content of these is no prose: contact lists, deletions, reposts of whole events, receipts and states. */
const NOT_TEXT: ReadonlySet<number> = new Set([3, 5, 6, 16, 62, 4701])
/** Sealed or encoded: NIP-44, NIP-04, or any one long word of base64. */
const SEALED = /^[A-Za-z0-9+/_-]{24,}={0,2}(\?iv=[A-Za-z0-9+/=]+)?$/
/** Profiles and agent cards are JSON: their values are text, their keys are not. */
const JSON_TEXT: ReadonlySet<number> = new Set([0, 14_705])

/** What of an event can be found by its words; undefined = nothing. Never anything of a kind that not all may read. */
export function searchableText({ kind, content }: Pick<NostrEvent, 'kind' | 'content'>): string | undefined {
  if (audienceOf(kind) !== 'anyone' || NOT_TEXT.has(kind) || (kind >= 34_700 && kind <= 34_709)) return undefined
  if (content === '' || SEALED.test(content.trim())) return undefined
  if (!JSON_TEXT.has(kind)) return content
  const json = parseJson(content)
  return json.ok ? strings(json.value, 8).join(' ') : undefined
}

function strings(value: unknown, depth: number): string[] {
  if (typeof value === 'string') return [value]
  if (depth === 0) return []
  const inner = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : []
  return inner.flatMap(each => strings(each, depth - 1))
}
