import {
  createScanner,
  findNodeAtLocation,
  type JSONPath,
  type Node,
  type ParseError,
  parse,
  parseTree,
} from 'jsonc-parser'
import { isRecord } from '../../protocol/json.ts'
import { CliError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'

/** What `text` says; comments and trailing commas are let pass, as hosts do. Throws CliError. */
export function readJson(path: string, text: string): Record<string, unknown> {
  const errors: ParseError[] = []
  const value: unknown = parse(withoutMark(text), errors, LENIENT)
  if (errors.length > 0 || !isRecord(value)) throw broken(path, 'is not valid JSON')
  return value
}

/** The same text with a value put in at the end of an object, or (path ends in `APPEND`) of a list. Nothing else is laid out anew. */
export function insertJson(file: string, text: string, path: JSONPath, value: unknown): string {
  const longer = onBody(text, body => {
    const layout = layoutOf(body)
    for (let known = path.length - 1; known >= 0; known -= 1) {
      const node = nodeAt(body, path.slice(0, known))
      if (node === undefined) continue
      const [key, ...missing] = path.slice(known)
      const wanted = key === APPEND ? 'array' : 'object'
      if (node.type !== wanted)
        throw broken(file, `has something else than we expect at ${path.slice(0, known).join('.')}`)
      const inner = missing.reduceRight<unknown>((held, name) => ({ [name]: held }), value)
      return insertInto(body, node, key === APPEND ? undefined : String(key), inner, layout)
    }
    return body
  })
  // Whatever a person may have written there: what is not JSON afterwards is not written.
  readJson(file, longer)
  return longer
}
export const APPEND = -1

/** The same text without one property or list item. Comments of others stay. */
export function removeJson(text: string, path: JSONPath): string {
  return onBody(text, body => {
    const value = nodeAt(body, path)
    const node = value?.parent?.type === 'property' ? value.parent : value
    const parent = node?.parent
    if (!node || !parent) return body
    const siblings = parent.children ?? []
    const at = siblings.indexOf(node)
    const end = node.offset + node.length
    const next = siblings[at + 1]
    const comma = commaIn(body, end, next?.offset ?? closeOf(parent))
    const start = body.slice(0, node.offset).trimEnd().length
    if (comma !== undefined) return body.slice(0, start) + body.slice(comma + 1)
    const before = siblings[at - 1]
    const commaBefore = before && commaIn(body, before.offset + before.length, node.offset)
    if (commaBefore === undefined) {
      // Alone, and no comment before it: the parent is closed where it was opened.
      const isBare = start === parent.offset + 1
      return body.slice(0, start) + (isBare ? body.slice(end).trimStart() : body.slice(end))
    }
    return body.slice(0, commaBefore) + body.slice(commaBefore + 1, Math.max(start, commaBefore + 1)) + body.slice(end)
  })
}

/** What a new file begins as. */
export const EMPTY_JSON = '{}\n'

/** True if nothing is said in it. */
export const isEmptyJson = (path: string, text: string): boolean => Object.keys(readJson(path, text)).length === 0

const LENIENT = { allowTrailingComma: true }
const broken = (path: string, what: string): CliError =>
  new CliError('host-config', EXIT.failure, `${path} ${what}; nothing was changed`, {
    hint: 'repair it, then install again',
  })

const nodeAt = (body: string, path: JSONPath): Node | undefined => {
  const root = parseTree(body, [], LENIENT)
  return root && findNodeAtLocation(root, path)
}

interface Layout {
  readonly unit: string
  readonly eol: string
}

function insertInto(body: string, node: Node, key: string | undefined, value: unknown, { unit, eol }: Layout): string {
  const name = key === undefined ? '' : `${JSON.stringify(key)}: `
  const close = closeOf(node)
  const [first] = node.children ?? []
  const last = node.children?.at(-1)
  const pretty = (indent: string) => name + JSON.stringify(value, undefined, unit).replaceAll('\n', eol + indent)
  if (first === undefined || last === undefined) {
    const base = indentAt(body, node.offset)
    const kept = body.slice(0, close).trimEnd()
    return `${kept}${eol}${base}${unit}${pretty(base + unit)}${eol}${base}${body.slice(close)}`
  }
  const end = last.offset + last.length
  const comma = commaIn(body, end, close)
  if (!body.slice(node.offset, first.offset).includes('\n')) {
    const at = comma === undefined ? end : comma + 1
    return `${body.slice(0, at)}${comma === undefined ? ', ' : ' '}${name}${JSON.stringify(value)}${body.slice(at)}`
  }
  const indent = indentAt(body, first.offset)
  const tail = comma === undefined ? `,${body.slice(end, close)}` : body.slice(end, close)
  const closing = /\s*$/.exec(tail)?.[0] ?? ''
  const ours = `${eol}${indent}${pretty(indent)}${comma === undefined ? '' : ','}`
  return body.slice(0, end) + tail.slice(0, tail.length - closing.length) + ours + closing + body.slice(close)
}

const closeOf = (node: Node): number => node.offset + node.length - 1

/** Where the comma between two places is; comments may hold others. */
function commaIn(body: string, from: number, to: number): number | undefined {
  const between = body.slice(from, to)
  const scanner = createScanner(between, true)
  do scanner.scan()
  while (scanner.getTokenLength() > 0 && between[scanner.getTokenOffset()] !== ',')
  return scanner.getTokenLength() > 0 ? from + scanner.getTokenOffset() : undefined
}

/** The white space that the line of this place begins with. */
function indentAt(body: string, offset: number): string {
  const line = body.slice(body.lastIndexOf('\n', offset - 1) + 1)
  return /^[ \t]*/.exec(line)?.[0] ?? ''
}

function layoutOf(body: string): Layout {
  const [, unit = '  '] = /^([ \t]+)\S/m.exec(body) ?? []
  return { unit: unit.startsWith('\t') ? '\t' : unit, eol: body.includes('\r\n') ? '\r\n' : '\n' }
}

/** A byte order mark, which some editors write. */
const MARK = '\ufeff'
const withoutMark = (text: string): string => (text.startsWith(MARK) ? text.slice(MARK.length) : text)
const onBody = (text: string, change: (body: string) => string): string =>
  (text.startsWith(MARK) ? MARK : '') + change(withoutMark(text))
