import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { referencePage } from '#dist/cli/reference.js'

// docs/cli.md is made from the table of verbs. UPDATE_DOCS=1 writes it.
const FILE = resolve(import.meta.dirname, '../../docs/cli.md')

test('docs/cli.md is what the table of verbs says', () => {
  if (process.env['UPDATE_DOCS']) writeFileSync(FILE, referencePage())
  else expect(readFileSync(FILE, 'utf8')).toBe(referencePage())
})
