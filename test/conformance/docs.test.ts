import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { NIPS } from '#dist/relay/nips.js'
import { type Rule, readRules } from './rules.ts'

const FILE = '../../docs/conformance.md'
const files = readdirSync(import.meta.dirname)
  .filter(name => /^nip-.*\.test\.ts$/.test(name))
  .sort()

const nipLink = (nip: string): string => `[${nip}](https://github.com/nostr-protocol/nips/blob/master/${nip}.md)`
const cell = (text: string): string => text.replaceAll('|', '\\|')
const rowOf = ({ nip, text, shown }: Rule): string => {
  const test = 'file' in shown ? `[${shown.file}](../test/conformance/${shown.file})` : `left out: ${shown.leftOut}`
  return `| ${nipLink(nip)} | ${cell(text)} | ${cell(test)} |`
}

function pageOf(rules: readonly Rule[]): string {
  const tested = rules.filter(({ shown }) => 'file' in shown).length
  return `# Conformance

Rules of the Nostr specifications (NIPs) that trip implementers, and the test that shows that this relay keeps each. Every test talks to a
real relay from outside, with frames made by hand, and is named after its rule: \`npx vitest run test/conformance -t '<rule>'\`.

${tested} rules are tested, ${rules.length - tested} are left out with their reason. This page is written from the tests: \`npx vitest run test/conformance/docs.test.ts -u\`.

| NIP | rule | test |
|---|---|---|
${rules.map(rowOf).join('\n')}
`
}

test('docs/conformance.md lists the rules that are tested, and no others', async () => {
  const rules = await readRules(files)
  const names = rules.map(({ nip, text }) => `${nip} ${text}`)
  expect(new Set(names).size).toBe(names.length)
  expect(rules.length).toBeGreaterThan(60)
  await expect(pageOf(rules)).toMatchFileSnapshot(FILE)
})

const twoDigits = (nip: number): string => String(nip).padStart(2, '0')

test('every NIP of the table has a file of rules, and every file a NIP of the table', () => {
  expect(NIPS.map(({ nip }) => `nip-${twoDigits(nip)}.test.ts`)).toEqual(files)
})

test.each(['README.md', 'docs/protocol.md'])('%s names the NIPs of the table, and no others', file => {
  const numbers = NIPS.map(({ nip }) => twoDigits(nip))
  const list = `NIP-${numbers.slice(0, -1).join(', ')} and ${numbers.at(-1)}`
  const text = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').replaceAll(/\s+/g, ' ')
  expect(text).toContain(list)
})
