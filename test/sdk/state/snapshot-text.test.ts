import { expect, test } from 'vitest'
import { byteLength } from '#dist/protocol/event.js'
import { cut } from '#dist/sdk/state/log/snapshot-text.js'
import { testSeed } from '../../helpers/seed.ts'
import { dice } from '../../relay/dice.ts'

test('pieces are whole characters, within the limit, and together the text', () => {
  const roll = dice(testSeed('snapshot-text')).below
  const characters = ['a', 'é', '语', '😀', '\ufeff', '"', '\n']
  for (let run = 0; run < 200; run += 1) {
    const text = Array.from({ length: roll(60) }, () => characters[roll(characters.length)]).join('')
    const bytes = 4 + roll(20)
    const pieces = cut(text, bytes)
    expect(pieces.join('')).toBe(text)
    for (const piece of pieces) expect(byteLength(piece)).toBeLessThanOrEqual(bytes)
    // As few as can be: a piece ends where the next character does not fit.
    for (const [index, piece] of pieces.slice(1).entries())
      expect(byteLength(`${pieces[index]}${String.fromCodePoint(piece.codePointAt(0) ?? 0)}`)).toBeGreaterThan(bytes)
  }
})
