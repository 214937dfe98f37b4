import { escapeText, replaceHidden } from '../protocol/visible.ts'
import type { RelayStatus } from '../sdk/index.ts'

export { escapeText }

/** The same on one line, cut to `width` characters; for lists. */
export function escapeLine(text: string, width = Number.POSITIVE_INFINITY): string {
  const flat = escapeText(text.trim().replace(/\s+/gu, ' '))
  const characters = [...flat]
  return characters.length <= width ? flat : `${characters.slice(0, width - 1).join('')}…`
}

/** The styles that `createPaint` sets. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: styles begin with one
const STYLE = /(\u001b\[(?:1|2|22|31|32|39)m)/

/** The last look at what goes to a terminal: whatever a screen has put together, nothing but our own styles is left in it, and no style where none is wanted. */
export const inert = (text: string, isStyled: boolean): string =>
  isStyled
    ? text
        .split(STYLE)
        .map((part, index) => (index % 2 === 1 ? part : escapeText(part)))
        .join('')
    : escapeText(text)

/** JSON on one line whose bytes are safe on a terminal too: what JSON.stringify leaves raw is written as \u escapes, the value is unchanged. */
export const safeJson = (value: unknown): string =>
  replaceHidden(JSON.stringify(value), character =>
    Array.from(
      { length: character.length },
      (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, '0')}`,
    ).join(''),
  )

/** A time in whole seconds since 1970, as people say it. */
export function ago(at: number, now: number): string {
  const age = now - at
  if (age < -60) return 'in the future'
  if (age < 10) return 'just now'
  const [size, unit] = [...UNITS].reverse().find(([seconds]) => age >= seconds) ?? UNITS[0]
  const count = Math.floor(age / size)
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`
}
const UNITS = [
  [1, 'second'],
  [60, 'minute'],
  [3600, 'hour'],
  [86_400, 'day'],
  [604_800, 'week'],
  [31_557_600, 'year'],
] as const

/** A key or id short enough to read aloud, long enough to recognise. */
export const shorten = (key: string): string => (key.length <= 20 ? key : `${key.slice(0, 12)}…${key.slice(-4)}`)

/** How far a catch-up is: `catching up, 3200 of 10000 (1600/s)`. */
export function catchingUpText({
  received = 0,
  expected,
  perSecond,
}: Pick<RelayStatus, 'received' | 'expected' | 'perSecond'>): string {
  const count = expected === undefined ? `${received} received` : `${received} of ${expected}`
  return `catching up, ${count}${perSecond === undefined ? '' : ` (${perSecond}/s)`}`
}

export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

/** Bytes as people read them. */
export const bytesText = (bytes: number): string =>
  bytes < 1024
    ? `${bytes} B`
    : bytes < 1024 ** 2
      ? `${(bytes / 1024).toFixed(1)} KiB`
      : `${(bytes / 1024 ** 2).toFixed(1)} MiB`

/** Less is no column any more: the terminal breaks such lines itself. */
const NARROWEST = 24

/** A text in lines of at most `width` characters, broken between words only; a longer word has a line of its own. */
export function fold(text: string, width: number): string[] {
  if (width < NARROWEST || text.length <= width) return [text]
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

/** Rows of two columns, indented, the left one padded to the widest, the right one folded where all would be wider than `width`. */
export function columns(
  rows: readonly (readonly [left: string, right: string])[],
  width = Number.POSITIVE_INFINITY,
): string[] {
  const first = Math.max(...rows.map(([left]) => left.length))
  const margin = ' '.repeat(first + 4)
  return rows.map(
    ([left, right]) => `  ${left.padEnd(first)}  ${fold(right, width - margin.length).join(`\n${margin}`)}`,
  )
}
