import { expect, test } from 'vitest'
import { packTexts, textsIn, unpackTexts } from '#dist/platform/packed-texts.js'

const TEXTS = ['', 'ascii', 'é', '日本語 and ascii', '😀', '\u2028', 'a'.repeat(70_000), 'last']

test('what was packed comes out as it was, also after its memory was given to somebody else', () => {
  const packed = packTexts(TEXTS)
  expect(packed.bytes.length).toBe(Buffer.byteLength(TEXTS.join('')))
  const memory = packed.bytes.buffer as ArrayBuffer
  const given = structuredClone(packed, { transfer: [memory] })
  expect(memory.byteLength).toBe(0)
  expect(unpackTexts(given)).toEqual(TEXTS)
})

test('each text is known by its bytes, without being decoded', () => {
  const texts = [...textsIn(packTexts(TEXTS))]
  expect(texts.map(({ bytes }) => Buffer.from(bytes).toString())).toEqual(TEXTS)
  expect(texts.map(({ length }) => length)).toEqual(TEXTS.map(text => Buffer.byteLength(text)))
})

test('nothing packs to nothing', () => {
  expect(unpackTexts(packTexts([]))).toEqual([])
})
