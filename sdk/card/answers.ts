import { isHex64 } from '../../protocol/hex.ts'
import { isRecord, parseJson } from '../../protocol/json.ts'
import type { RelayAnswer } from '../link/relay-answer.ts'
import type { Shelf } from '../shelf.ts'

/** Name on the shelf of what relays answered to it. */
const ANSWERS_SHELF = 'card-answers'

/** What relays answered to one card event. */
export interface CardAnswers {
  /** Id of the event, 64 hex. */
  readonly id: string
  readonly answers: readonly RelayAnswer[]
}

/** Undefined: not recorded, as in a home of an earlier version. */
export function keptAnswers(shelf: Shelf): CardAnswers | undefined {
  const json = parseJson(shelf.read(ANSWERS_SHELF) ?? '')
  if (!json.ok || !isRecord(json.value)) return undefined
  const { id, answers } = json.value
  if (!isHex64(id) || !Array.isArray(answers)) return undefined
  return { id, answers: answers.filter(isAnswer) }
}

const isAnswer = (value: unknown): value is RelayAnswer =>
  isRecord(value) &&
  typeof value['relay'] === 'string' &&
  typeof value['message'] === 'string' &&
  ['boolean', 'undefined'].includes(typeof value['accepted'])

export const keepAnswers = (shelf: Shelf, answers: CardAnswers): void =>
  shelf.write(ANSWERS_SHELF, JSON.stringify(answers))
