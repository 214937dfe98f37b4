import type { Paint } from '../output.ts'
import { escapeText } from '../text.ts'

const CONTEXT = 3

/** What changes between two texts, as lines with - and +: one hunk, from the first difference to the last. */
export function diffLines(before: string, after: string, paint: Paint): string[] {
  const [a, b] = [linesOf(before), linesOf(after)]
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail])
    tail += 1
  const removed = a.slice(head, a.length - tail)
  const added = b.slice(head, b.length - tail)
  return [
    ...a.slice(Math.max(0, head - CONTEXT), head).map(line => `  ${escapeText(line)}`),
    ...removed.map(line => paint.red(`- ${escapeText(line)}`)),
    ...added.map(line => paint.green(`+ ${escapeText(line)}`)),
    ...a.slice(a.length - tail, a.length - tail + CONTEXT).map(line => `  ${escapeText(line)}`),
  ]
}

const linesOf = (text: string): string[] => (text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/))
