import { expect, test } from 'vitest'
import { createPaint } from '#dist/cli/output.js'
import { nearest } from '#dist/cli/suggest.js'
import { ago, bytesText, columns, escapeLine, escapeText, fold, safeJson, shorten } from '#dist/cli/text.js'

test('characters that steer a terminal or disguise text are shown, newline and tab kept', () => {
  expect(escapeText('a\u001b[31mred\u0007')).toBe('a\\x1b[31mred\\x07')
  expect(escapeText('\u009b31m \u007f \r')).toBe('\\x9b31m \\x7f \\x0d')
  expect(escapeText('safe\u202egnp.exe \u2066x\u2069 \u{e0041}')).toBe(
    'safe\\u{202e}gnp.exe \\u{2066}x\\u{2069} \\u{e0041}',
  )
  expect(escapeText('zero\u200bwidth \ufeff \u2060 \u{e0100}')).toBe(
    'zero\\u{200b}width \\u{feff} \\u{2060} \\u{e0100}',
  )
  expect(escapeText('line\n\tindented — ünïcode 🙂')).toBe('line\n\tindented — ünïcode 🙂')
})

test('a line is one line, cut by characters and not by halves of them', () => {
  expect(escapeLine('  two\n lines\t')).toBe('two lines')
  expect(escapeLine('🙂🙂🙂🙂', 3)).toBe('🙂🙂…')
})

test('JSON keeps its value and carries no raw control character', () => {
  const text = 'x\u001b\u009b\u202e\u2028\u{e0041}🙂\n'
  const line = safeJson({ text })
  expect(JSON.parse(line)).toEqual({ text })
  expect(line).toMatch(/^[ -~🙂]+$/u)
})

test('times as people say them', () => {
  const now = 1_700_000_000
  expect(ago(now, now)).toBe('just now')
  expect(ago(now - 59, now)).toBe('59 seconds ago')
  expect(ago(now - 60, now)).toBe('1 minute ago')
  expect(ago(now - 7_200, now)).toBe('2 hours ago')
  expect(ago(now - 90_000, now)).toBe('1 day ago')
  expect(ago(now + 3_600, now)).toBe('in the future')
})

test('sizes and keys', () => {
  expect([0, 1_023, 1_536, 3 * 1024 ** 2].map(bytesText)).toEqual(['0 B', '1023 B', '1.5 KiB', '3.0 MiB'])
  expect(shorten('npub1ca9cgqyf0pma6e2cusvhy6x3emlkvhftmu2v2g0dwe3sx0khws5q4w3n9f')).toBe('npub1ca9cgqy…3n9f')
  expect(
    columns([
      ['a', 'x'],
      ['long', 'y'],
    ]),
  ).toEqual(['  a     x', '  long  y'])
})

test('the right column is folded between words to what the terminal has room for', () => {
  const row = ['--keep', 'how long events stay, as an age or a number'] as const
  expect(columns([row])).toEqual(['  --keep  how long events stay, as an age or a number'])
  expect(columns([row, ['-k', 'x'.repeat(40)]], 40)).toEqual([
    '  --keep  how long events stay, as an\n          age or a number',
    `  -k      ${'x'.repeat(40)}`,
  ])
  expect(fold('a word at a time', 24)).toEqual(['a word at a time'])
  expect(fold('exactly twenty-four long', 24)).toEqual(['exactly twenty-four long'])
  expect(fold('exactly twenty-five, long', 24)).toEqual(['exactly twenty-five,', 'long'])
  expect(fold('where there is no room nothing is folded', 10)).toHaveLength(1)
})

test('only near words are suggested', () => {
  const verbs = ['relay', 'read', 'req', 'inbox', 'catchup']
  expect(nearest('raed', verbs)).toBe('read')
  expect(nearest('catch', verbs)).toBe('catchup')
  expect(nearest('inbxo', verbs)).toBe('inbox')
  expect(nearest('zebra', verbs)).toBeUndefined()
})

test('no colour where none is wanted', () => {
  expect(createPaint(false).red('x')).toBe('x')
  expect(createPaint(true).red('x')).toBe('\u001b[31mx\u001b[39m')
})
