import { isCount, isRecord, own, parseJson } from '../protocol/json.ts'
import { MessageError } from './errors.ts'

export const JSON_TYPE = 'application/json'
export const MARKDOWN_TYPE = 'text/markdown'
/** A JSON object `{"parts": [...]}`; docs/protocol.md has it. */
export const PARTS_TYPE = 'application/vnd.posthorn.parts+json'
const MAX_PARTS = 100

/** One part of a message; `file` names bytes that lie elsewhere, by their hash. */
export type Part =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'markdown'; readonly text: string }
  | { readonly type: 'json'; readonly data: unknown; readonly schema?: string }
  | {
      readonly type: 'file'
      readonly url: string
      /** 64 hex, of the bytes behind `url`: whoever fetches them checks it. */
      readonly sha256: string
      readonly mediaType?: string
      readonly name?: string
      /** In bytes. */
      readonly size?: number
    }

/** Content with its type, made by {@link json}, {@link markdown} or {@link multipart}. */
export class Body {
  readonly text: string
  readonly contentType: string
  constructor(text: string, contentType: string) {
    this.text = text
    this.contentType = contentType
  }
}

/**
 * Any JSON value. Throws {@link MessageError} on what JSON cannot carry: NaN and infinities, bigints, functions, cycles, bytes, and
 * objects of which nothing would be left (a Map, a Set, an Error). Fields that are undefined are left out, as JSON.stringify does.
 */
export function json(value: unknown): Body {
  try {
    const text = JSON.stringify(value, unbent) as string | undefined
    if (text === undefined) throw new TypeError(`it is ${typeof value}`)
    return new Body(text, JSON_TYPE)
  } catch (error) {
    throw new MessageError('message-malformed', `JSON cannot carry that value: ${(error as Error)?.message ?? error}`)
  }
}

/** For JSON.stringify: throws on what it would turn into something else without a word, or leave out. */
function unbent(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
  const given = this[key]
  // NaN, an invalid date, a gap in a list.
  const isBent =
    value === null
      ? given !== null
      : typeof value === 'number'
        ? !Number.isFinite(value)
        : value === undefined && Array.isArray(this)
  const what = isBent ? `${given}` : emptied(value)
  if (what) throw new TypeError(`${key || 'it'} is ${what}`)
  return value
}

/** The kind of an object whose content JSON.stringify does not see. */
function emptied(value: unknown): string | undefined {
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const kind = Object.prototype.toString.call(value).slice(8, -1)
  const isPlain = /^(Object|Number|String|Boolean)$/.test(kind)
  return ArrayBuffer.isView(value) || (!isPlain && Object.keys(value).length === 0) ? kind : undefined
}

export const markdown = (text: string): Body => new Body(text, MARKDOWN_TYPE)

/** Several parts in order, at most 100. Throws {@link MessageError}. */
export function multipart(parts: readonly Part[]): Body {
  const read = readParts(parts)
  if (read) return new Body(json({ parts: read }).text, PARTS_TYPE)
  throw new MessageError(
    'message-malformed',
    `parts are 1 to ${MAX_PARTS} of text, markdown, json and file (with url and sha256 in 64 hex).`,
  )
}

/** A program's value as content: a string is plain text, a Body is itself, everything else is JSON. */
export function bodyFrom(value: unknown): { readonly text: string; readonly contentType?: string } {
  if (typeof value === 'string') return { text: value }
  return value instanceof Body ? { text: value.text, contentType: value.contentType } : json(value)
}

/** The JSON value of a message, or undefined if it has none. Untrusted. */
export function jsonOf(message: { readonly text: string; readonly contentType?: string }): unknown {
  if (baseType(message.contentType) !== JSON_TYPE) return undefined
  const read = parseJson(message.text)
  return read.ok ? read.value : undefined
}

/** The parts of a message of whatever type: text and markdown are one part. Undefined if it is malformed. Untrusted. */
export function partsOf(message: {
  readonly text: string
  readonly contentType?: string
}): readonly Part[] | undefined {
  const { text } = message
  switch (baseType(message.contentType)) {
    case PARTS_TYPE: {
      const read = parseJson(text)
      return read.ok && isRecord(read.value) ? readParts(own(read.value, 'parts')) : undefined
    }
    case JSON_TYPE: {
      const read = parseJson(text)
      return read.ok ? [{ type: 'json', data: read.value }] : undefined
    }
    case MARKDOWN_TYPE:
      return [{ type: 'markdown', text }]
    default:
      return [{ type: 'text', text }]
  }
}

/** Without parameters, which change nothing for us. */
const baseType = (contentType = 'text/plain'): string => contentType.split(';')[0]?.trim().toLowerCase() ?? ''

function readParts(value: unknown): readonly Part[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_PARTS) return undefined
  const parts = value.map(readPart)
  return parts.every(part => part !== undefined) ? (parts as Part[]) : undefined
}

function readPart(value: unknown): Part | undefined {
  if (!isRecord(value)) return undefined
  const field = (name: string) => own(value, name)
  const [type, text, url, sha256] = ['type', 'text', 'url', 'sha256'].map(field)
  const words = <Name extends string>(name: Name): { [key in Name]?: string } => {
    const word = field(name)
    return (typeof word === 'string' ? { [name]: word } : {}) as { [key in Name]?: string }
  }
  switch (type) {
    case 'text':
    case 'markdown':
      return typeof text === 'string' ? Object.freeze({ type, text }) : undefined
    case 'json':
      return field('data') === undefined ? undefined : Object.freeze({ type, data: field('data'), ...words('schema') })
    case 'file': {
      const size = field('size')
      if (typeof url !== 'string' || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return undefined
      if (!URL.canParse(url)) return undefined
      return Object.freeze({
        type,
        url,
        sha256,
        ...words('mediaType'),
        ...words('name'),
        ...(isCount(size) ? { size } : {}),
      })
    }
    default:
      return undefined
  }
}
