import { type Filter, matchFilter } from '../../../protocol/filter.ts'
import { audienceOf } from '../../../protocol/kinds.ts'
import { mayRead } from '../../access.ts'
import type { Reader } from '../store.ts'
import { eventOfIntact, idIn, pubkeyIn, type ReadRow, tagNeedle } from './row.ts'

/** Values looked for in the text one by one; of more the event is read. */
const MAX_NEEDLES = 8

/** Whether a row, already found intact, is one that a filter finds and a reader may have, decided on its text where that is exact. */
export type RowTest = (row: ReadRow) => boolean

/** The one matcher's verdict (`protocol/filter.ts`, held against it by random tests) without reading the event, which would cost more than all else. */
export function createRowTest(filters: readonly Filter[], { keys, now }: Reader): RowTest {
  const tests = filters.map(filter => (isWide(filter) ? onEvent(filter) : onText(filter)))
  const [only] = tests
  const matches: RowTest = tests.length === 1 && only !== undefined ? only : row => tests.some(test => test(row))
  return row => {
    if (row.expires_at !== null && row.expires_at <= now) return false
    if (!matches(row)) return false
    switch (audienceOf(row.kind)) {
      case 'anyone':
        return true
      case 'nobody':
        return false
      case 'parties':
        return keys.length > 0 && mayRead(eventOfIntact(row), keys)
    }
  }
}

const isWide = ({ tags }: Filter): boolean =>
  [...(tags?.values() ?? [])].reduce((sum, values) => sum + values.size, 0) > MAX_NEEDLES

const onEvent =
  (filter: Filter): RowTest =>
  row =>
    matchFilter(filter, eventOfIntact(row))

const holdsEach = (text: string, needles: readonly (readonly string[])[]): boolean =>
  needles.every(any => any.some(needle => text.includes(needle)))

function onText({ ids, authors, kinds, since, until, tags }: Filter): RowTest {
  const needles = [...(tags ?? [])].map(([name, values]) => [...values].map(value => tagNeedle(name, value)))
  // The text of a row may have to be made first: only where it is looked at.
  return row =>
    (kinds === undefined || kinds.has(row.kind)) &&
    (since === undefined || row.created_at >= since) &&
    (until === undefined || row.created_at <= until) &&
    (authors === undefined || authors.has(pubkeyIn(row.json))) &&
    (ids === undefined || ids.has(idIn(row.json))) &&
    (needles.length === 0 || holdsEach(row.json, needles))
}
