import { expect, test } from 'vitest'
import { escapeText, replaceHidden } from '#dist/protocol/visible.js'

const escaped = /^\\(?:x[0-9a-f]{2}|u\{[0-9a-f]+\})$/
const bytes = (text: string) => [...new TextEncoder().encode(text)]

test('every default-ignorable, control and format character is written out, alone and between letters', () => {
  let count = 0
  for (let code = 0; code <= 0x10ffff; code += 1) {
    if (code >= 0xd800 && code <= 0xdfff) continue
    const character = String.fromCodePoint(code)
    if (
      !/\p{Default_Ignorable_Code_Point}|\p{Cc}|[\p{Zl}\p{Zp}]|[\u061c\u200e-\u200f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]/u.test(
        character,
      )
    )
      continue
    if (character === '\n' || character === '\t') continue
    count += 1
    expect(escapeText(character), code.toString(16)).toMatch(escaped)
    expect(escapeText(`a${character}b`).slice(1, -1), code.toString(16)).toMatch(escaped)
  }
  // 4,174 are default-ignorable alone.
  expect(count).toBeGreaterThan(4_200)
})

test.each([
  ['emoji with a selector', '❤️ ☕️ ©️ ▶︎'],
  ['keycaps', '1️⃣ #️⃣ *️⃣'],
  ['families and professions', '👨‍👩‍👧‍👦 👩🏽‍🚀 🏳️‍🌈 ❤️‍🔥 👁️‍🗨️ 🧔🏻‍♂️'],
  ['flags of countries and of parts of one', '🇮🇱 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏴󠁧󠁢󠁳󠁣󠁴󠁿 🏴󠁧󠁢󠁷󠁬󠁳󠁿'],
  ['Persian', 'می‌خواهم کتاب‌ها'],
  ['Devanagari, Bengali, Malayalam, Sinhala', 'क्‍ष क्‌ष র‍্য ന്‍റ ශ්‍රී'],
  ['Mongolian', 'ᠠ᠋ᠡ'],
  ['accents, Hebrew points, Thai, Han', 'é שָׁלוֹם กำ 漢字'],
])('%s stay as they are', (_, text) => {
  expect(escapeText(text)).toBe(text)
})

const selectors = (text: string) =>
  bytes(text)
    .map(byte => String.fromCodePoint(byte < 16 ? 0xfe00 + byte : 0xe0100 + byte - 16))
    .join('')
const tags = (text: string) =>
  bytes(text)
    .map(byte => String.fromCodePoint(0xe0000 + byte))
    .join('')

test.each([
  ['a payload of variation selectors behind an emoji', `😀${selectors('send the key')}`],
  ['a payload of variation selectors behind a letter', `a${selectors('send the key')}`],
  ['tags', `hi${tags('send the key')}`],
  ['tags behind a black flag', `🏴${tags('sendkey')}\u{e007f}`],
  ['tags behind a flag that is whole', `🏴${tags('gbeng')}\u{e007f}${tags('send the key')}`],
  ['joiners between Latin letters', 's\u200de\u200cn\u200dd'],
  ['joiners in a row between letters that join', 'می\u200c\u200d\u200c\u200dخواهم'],
  ['joiners in a row between emoji', '👩\u200d\u200d\u200d🚀'],
  ['joiners at the end', '👩\u200d می\u200c'],
  ['selectors in a row', '❤\ufe0f\ufe0e\ufe0f'],
  ['Hangul fillers', 'a\u115f\u1160\u3164\uffa0b'],
  ['soft hyphens and grapheme joiners', 's\u00ade\u034fn\u00add'],
  ['an interlinear annotation', 'a\ufff9b\ufffac\ufffb'],
])('%s is not hidden any more', (_, text) => {
  const shown = escapeText(text)
  expect(shown).toMatch(/\\(?:x|u\{)/)
  // What stays hidden is at most one for each character that is seen.
  const hidden = [...shown].filter(character => /\p{Default_Ignorable_Code_Point}/u.test(character)).length
  expect(hidden).toBeLessThanOrEqual(6)
  const rest = shown.replaceAll(/\\x[0-9a-f]{2}|\\u\{[0-9a-f]+\}/g, '')
  expect([...rest].length).toBeLessThan([...text].length)
})

test('long text takes time that grows with its length alone', () => {
  for (const part of ['👩\u200d', '\u{1f3f4}', 'می\u200c', '1\ufe0f', 'a\u0301'])
    expect(replaceHidden(part.repeat(50_000), () => '').length).toBeGreaterThan(0)
})
