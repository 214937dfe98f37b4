import { type ByteReader, createByteReader, malformed } from './bytes.ts'

/** Levels of arrays and objects inside one value: what reads and writes such values calls itself once a level. */
export const MAX_VALUE_DEPTH = 64

/** What an item holds, as far as it matters: how many clocks it takes, and whether others can be put into it. */
export interface ItemContent {
  readonly length: number
  readonly isType: boolean
}

const one: ItemContent = { length: 1, isType: false }
const type: ItemContent = { length: 1, isType: true }
/** Array, Map, Text, XmlElement, XmlFragment, XmlHook, XmlText. */
const TYPES = 7
const NAMED_TYPES: readonly number[] = [3, 5]
const SUBDOCUMENT_OPTIONS: readonly string[] = ['gc', 'autoLoad', 'meta', 'collectionid']

/** Reads the content of an item by its number in the v1 format, checking that whoever reads it after us can. */
export function readContent(read: ByteReader, ref: number): ItemContent {
  switch (ref) {
    case 1:
      return { length: positive(read.count()), isType: false }
    case 2:
      return { length: each(positive(read.count()), read, () => checkJson(read.text(), true)), isType: false }
    case 3:
      read.skip(read.count())
      return one
    case 4:
      return { length: positive(read.text().length), isType: false }
    case 5:
      checkJson(read.text(), false)
      return one
    case 6:
      read.text()
      checkJson(read.text(), false)
      return one
    case 7:
      return readType(read)
    case 8:
      return { length: each(positive(read.count()), read, () => skipAny(read, 0)), isType: false }
    case 9:
      readSubdocument(read)
      return one
    default:
      return malformed(`content ${ref} is none that we know`)
  }
}

/** Of a list of values (2: JSON texts, 8: any values): where its first value starts, and where each ends. */
export function elementEnds(
  content: Uint8Array,
  ref: number,
): { readonly start: number; readonly ends: readonly number[] } {
  const read = createByteReader(content)
  const count = read.count()
  const start = content.length - read.left
  const ends: number[] = []
  each(count, read, () => {
    if (ref === 2) read.text()
    else skipAny(read, 0)
    ends.push(content.length - read.left)
  })
  return { start, ends }
}

const positive = (length: number): number => (length > 0 ? length : malformed('an item is empty'))

/** Each element has a byte at least, so a count is never trusted further than the bytes go. */
function each(count: number, read: ByteReader, readOne: () => void): number {
  if (count > read.left) malformed('it ends too early')
  for (let index = 0; index < count; index += 1) readOne()
  return count
}

function readType(read: ByteReader): ItemContent {
  const ref = read.count()
  if (ref >= TYPES) malformed('a shared type is none that we know')
  if (NAMED_TYPES.includes(ref)) read.text()
  return type
}

/** Options of a subdocument become those of a Y.Doc: only the ones that are data. */
function readSubdocument(read: ByteReader): void {
  read.text()
  if (read.byte() !== ANY.object) malformed('the options of a subdocument are no object')
  each(read.count(), read, () => {
    const key = read.text()
    if (!SUBDOCUMENT_OPTIONS.includes(key)) malformed('a subdocument has an option that we do not know')
    skipAny(read, 1)
  })
}

const ANY = { buffer: 116, array: 117, object: 118, text: 119, bigint: 122, float64: 123, float32: 124, integer: 125 }
/** True, false, null and undefined have no bytes of their own. */
const BARE: readonly number[] = [120, 121, 126, 127]

function skipAny(read: ByteReader, depth: number): void {
  if (depth > MAX_VALUE_DEPTH) malformed('a value is nested too deeply')
  const tag = read.byte()
  if (BARE.includes(tag)) return
  switch (tag) {
    case ANY.buffer:
      return read.skip(read.count())
    case ANY.text:
      return void read.text()
    case ANY.integer:
      return read.skipInteger()
    case ANY.float32:
      return read.skip(4)
    case ANY.float64:
    case ANY.bigint:
      return read.skip(8)
    case ANY.array:
      return void each(read.count(), read, () => skipAny(read, depth + 1))
    case ANY.object:
      return void each(read.count(), read, () => {
        if (read.text() === '__proto__') malformed('a key would change the object that it is in')
        skipAny(read, depth + 1)
      })
    default:
      return malformed('a value is of no kind that we know')
  }
}

/** `undefined` is written as that word where a list of JSON values is. */
function checkJson(text: string, mayBeUndefined: boolean): void {
  if (mayBeUndefined && text === 'undefined') return
  if (jsonDepth(text) > MAX_VALUE_DEPTH) malformed('a value is nested too deeply')
  try {
    JSON.parse(text)
  } catch {
    malformed('a value is no JSON')
  }
}

function jsonDepth(text: string): number {
  let depth = 0
  let deepest = 0
  let inText = false
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at]
    if (inText) {
      if (char === '\\') at += 1
      else if (char === '"') inText = false
    } else if (char === '"') inText = true
    else if (char === '[' || char === '{') deepest = Math.max(deepest, ++depth)
    else if (char === ']' || char === '}') depth -= 1
  }
  return deepest
}
