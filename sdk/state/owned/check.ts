import { byteLength } from '../../../protocol/event.ts'
import { MAX_DEPTH, plainJson } from '../../../protocol/json.ts'
import { json } from '../../body.ts'
import { StateError } from '../../errors.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from './codec.ts'
import { COUNTER, DOT, GAUGE, type Json } from './record.ts'

/** A key that users choose. Throws StateError. */
export function plainKey(key: string): string {
  if ([COUNTER, DOT, GAUGE].includes(key[0] ?? ''))
    throw new StateError('state-malformed', `keys do not begin with ${COUNTER}, ${DOT} or ${GAUGE}.`)
  return key
}

/** Throws StateError on what no record can hold. */
export function checkEntry(key: string, value: Json): void {
  if (byteLength(key) > MAX_KEY_BYTES || key === '')
    throw new StateError('state-malformed', `a key has 1 to ${MAX_KEY_BYTES} bytes.`)
  if (!key.isWellFormed()) throw new StateError('state-malformed', 'a key is well-formed Unicode.')
  const text = textOf(value)
  if (plainJson(JSON.parse(text)) === undefined)
    throw new StateError('state-malformed', `a value is nested at most ${MAX_DEPTH} deep.`)
  if (byteLength(text) > MAX_VALUE_BYTES)
    throw new StateError('state-too-large', `a value has at most ${MAX_VALUE_BYTES / 1024} KiB as JSON.`)
}

/** By the same rules as the body of a message: nothing is bent, or left out, without a word. */
function textOf(value: Json): string {
  try {
    const { text } = json(value)
    if (text.isWellFormed()) return text
  } catch (error) {
    throw new StateError(
      'state-malformed',
      `a value is what JSON can hold. ${error instanceof Error ? error.message : ''}`,
      {
        cause: error,
      },
    )
  }
  throw new StateError('state-malformed', 'a value is what JSON can hold: its text is well-formed Unicode.')
}
