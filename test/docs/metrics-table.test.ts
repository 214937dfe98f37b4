import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { METRICS, type MetricSpec } from '#dist/relay/metrics/table.js'

// docs/operations.md lists every metric from the table in code. UPDATE_DOCS=1 writes it.
const FILE = resolve(import.meta.dirname, '../../docs/operations.md')
const PLACE = /(\|---\|---\|---\|\n)(?:\| `posthorn_.*\n)*/

const rows = Object.entries<MetricSpec>(METRICS).map(([name, { labels = [], help }]) => {
  const listed = labels.map(label => `\`${label}\``).join(', ')
  return `| \`${name}\` | ${listed} | ${help} |\n`
})

test('docs/operations.md lists the metrics that there are', () => {
  const text = readFileSync(FILE, 'utf8')
  const start = text.indexOf('| metric | labels | what |')
  const wanted = text.slice(0, start) + text.slice(start).replace(PLACE, (_, head: string) => head + rows.join(''))
  if (process.env['UPDATE_DOCS']) writeFileSync(FILE, wanted)
  else expect(text).toBe(wanted)
})
