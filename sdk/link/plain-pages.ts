import type { NostrEvent } from '../../protocol/event.ts'
import type { FilterJson } from '../../protocol/filter.ts'
import { settleDoubts } from './plain-doubts.ts'
import {
  askPage,
  type Doubt,
  FOREVER,
  type Full,
  isWhole,
  JUST_NOW,
  newReading,
  type PlainPage,
  type PlainSource,
  type Reading,
  readPage,
  type Window,
  within,
} from './plain-reading.ts'

/** Requests beyond one for each event: a relay that answers without an end is left. */
const SPARE_PAGES = 500
/** So often is looked whether newer events came since, or were kept back. */
const TRIES = 3

/**
 * Reads all that matches from a relay without a log, though it gives only so much at once. Resolves to why there may be more,
 * undefined if there cannot; rejects if the relay refuses, or is lost. `first`: the first answer to the filter, if it is there already.
 *
 * Nothing is taken for granted that relays are known to break: pages are smaller than asked for, and of any size; order is not newest
 * first; `until` is ignored; EOSE comes before the stored events.
 */
export async function readPlain(
  filter: FilterJson,
  source: PlainSource,
  first?: PlainPage,
): Promise<Doubt | undefined> {
  const reading = newReading(filter)
  const { since = 0, until = FOREVER } = filter
  const whole = { since, until }
  const begun = await (first
    ? readPage(reading, source, filter, first)
    : askPage(reading, source, within(source.limit, filter, whole)))
  if (begun.finished) return undefined
  await walk(reading, source, begun, whole)
  return settleDoubts(reading, source)
}

/** Back in time from the first page while the relay gives the newest first; where it does not, by halves. */
async function walk(reading: Reading, source: PlainSource, first: PlainPage, whole: Window): Promise<void> {
  const ask = (window: Window) => askPage(reading, source, within(source.limit, reading.filter, window))
  const fullOf = (window: Window, { given, ids }: PlainPage): Full => ({ ...window, asked: source.limit, given, ids })
  let pages = 0
  const isSpent = () => {
    pages += 1
    if (reading.ignoresUntil)
      reading.full.push({ ...whole, asked: source.limit, given: reading.frames, ids: reading.largest })
    else if (pages > SPARE_PAGES + reading.had.size)
      reading.full.push({ ...whole, asked: 0, given: reading.frames, ids: reading.largest })
    else return false
    return true
  }

  let page = first
  let inOrder = false
  for (let tries = 0; ; tries += 1) {
    // What it kept back at the newer end says that it does not begin there; or it came since, and then the next page has it.
    const { newest = whole.since } = spanOf(page.events)
    inOrder = isDescending(page)
    if (newest > Math.min(whole.until, source.now)) break
    const end = await ask({ since: newest, until: whole.until })
    // A page full of that second hides what is newer.
    const isFull = end.given > 0 && end.unknown.length === 0 && !isWhole(reading, end)
    const beyond = isFull ? await ask({ since: newest + 1, until: whole.until }) : end
    const unknown = [...end.unknown, ...beyond.unknown]
    // Where times are not heeded, nothing says that it is in order.
    if (beyond.events.some(({ created_at }) => created_at < (isFull ? newest + 1 : newest)))
      reading.full.push(fullOf(whole, page))
    if (unknown.length === 0 || tries === TRIES) break
    const again = await ask(whole)
    if (!unknown.every(({ id }) => again.events.some(event => event.id === id))) {
      reading.cutAt = Math.min(reading.cutAt, page.ids)
      inOrder = false
      break
    }
    page = again
  }

  let { until } = whole
  while (inOrder) {
    const { oldest } = spanOf(page.events)
    if (oldest === undefined) return
    // Whatever else its second holds is asked for with what is older.
    const isOneSecond = oldest === until
    if (isOneSecond) reading.full.push(fullOf({ since: oldest, until: oldest }, page))
    until = isOneSecond ? oldest - 1 : oldest
    if (until < whole.since || isSpent()) return
    const next = await ask({ since: whole.since, until })
    const isCut = next.unknown.some(({ created_at }) => created_at < source.now - JUST_NOW)
    if (isCut && page.given < source.limit) reading.cutAt = Math.min(reading.cutAt, page.ids)
    if (next.finished) return
    inOrder = isDescending(next)
    page = next
  }

  const windows: Window[] = [whole]
  for (let window = windows.pop(); window !== undefined; window = windows.pop()) {
    if (window.since > window.until) continue
    if (isSpent()) return
    const part = await ask(window)
    const { since, until: end } = window
    const { oldest, newest, middle } = spanOf(
      part.events.filter(({ created_at }) => created_at >= since && created_at <= end),
    )
    if (part.finished || part.events.length === 0 || isWhole(reading, part)) continue
    if (oldest === undefined || newest === undefined || middle === undefined || since === end)
      reading.full.push(fullOf(window, part))
    else if (oldest < newest) windows.push({ since, until: middle }, { since: middle + 1, until: end })
    else windows.push({ since, until: oldest - 1 }, { since: newest + 1, until: end }, { since: oldest, until: newest })
  }
}

function spanOf(events: readonly NostrEvent[]): {
  readonly oldest?: number
  readonly middle?: number
  readonly newest?: number
} {
  const times = events.map(({ created_at }) => created_at).sort((a, b) => a - b)
  const [oldest] = times
  const newest = times.at(-1)
  if (oldest === undefined || newest === undefined) return {}
  // Each half has one of them.
  return { oldest, newest, middle: Math.min(times[times.length >> 1] ?? oldest, newest - 1) }
}

const isDescending = ({ events }: PlainPage): boolean =>
  events.every(({ created_at }, at) => created_at <= (events[at - 1]?.created_at ?? created_at))
