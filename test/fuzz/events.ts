import type { FilterJson, NostrEvent, Tag } from 'posthorn/protocol'
import { type Person, person } from '../helpers/events.ts'
import type { Dice } from '../relay/dice.ts'
import { naiveAddress } from '../relay/naive-log.ts'

/** A and B log in; C writes, and receives, without ever being there. */
export const [A, B, C] = ['fuzz a', 'fuzz b', 'fuzz c'].map(person) as [Person, Person, Person]
const PEOPLE = [A, B, C]
const KEYS = PEOPLE.map(({ pubkey }) => pubkey)
const NOBODY = 'ab'.repeat(32)

const KINDS = [0, 1, 1, 1, 4, 4, 5, 5, 1059, 1059, 1059, 10_001, 20_001, 21_059, 30_001, 30_001, 30_002, 34_707]
/** First values of tags that look alike, end early, or mean something to SQL, JSON or NIP-01. */
const VALUES = ['', 'a', 'b', 'A', 'a\0', '\0', 'a"b', '\\u0000', "'; --", 'é', 'e\u0301', '\u{1f4ef}', '\n', '%', '_']
const LETTERS = ['d', 'd', 't', 't', 'T', 'a', 'Z']
/** So few seconds that there are ties everywhere. */
const SECONDS = 12

/** `count` signed events around `now` (seconds), some before what they delete or replace. */
export function randomEvents(random: Dice, now: number, count: number): NostrEvent[] {
  const events: NostrEvent[] = []
  while (events.length < count) events.push(randomEvent(random, now, events))
  for (let n = 0; n + 12 < count; n += 1 + random.below(5)) {
    const other = n + random.below(12)
    const [one, two] = [events[n], events[other]]
    if (one !== undefined && two !== undefined) [events[n], events[other]] = [two, one]
  }
  return events
}

function randomEvent(random: Dice, now: number, known: readonly NostrEvent[]): NostrEvent {
  const kind = random.of(KINDS)
  const tags: Tag[] = []
  for (let n = random.below(4); n > 0; n -= 1)
    tags.push(random.chance(0.1) ? [random.of(LETTERS)] : [random.of(LETTERS), random.of(VALUES), random.of(VALUES)])
  if (random.chance(0.1)) tags.push(['e', random.of(known)?.id ?? NOBODY])
  if (random.chance(0.1)) tags.push([random.of(['tt', '', 'é', '1']), random.of(VALUES)])
  if (random.chance(0.15))
    tags.push(['expiration', random.of([String(now - 1), String(now + random.below(20)), 'never', '', '1e3'])])
  if (random.chance(0.08)) tags.push(['-'])
  if ([4, 1059, 21_059].includes(kind) || random.chance(0.15)) tags.push(['p', random.of(KEYS)])
  if (kind === 1059 && random.chance(0.1)) tags.push(['p', random.of(KEYS)])
  for (let n = kind === 5 ? random.below(4) : 0; n > 0; n -= 1) {
    const target = random.of(known)
    if (target === undefined) continue
    const address = naiveAddress(target)
    tags.push(address !== undefined && random.chance(0.5) ? ['a', address] : ['e', target.id])
  }
  return random.of(PEOPLE).sign({
    kind,
    created_at: now - 1_000 + random.below(SECONDS),
    tags: random.chance(0.5) ? tags : tags.toReversed(),
    // Never twice the same event.
    content: `${random.below(2 ** 31)} ${random.of(VALUES)}`,
  })
}

/** One to three filters. Those for the log name no ids, and share one `limit`. */
export function randomGroup(
  random: Dice,
  now: number,
  known: readonly NostrEvent[],
  order: 'time' | 'log',
): FilterJson[] {
  const filters = Array.from({ length: 1 + random.below(3) }, () => randomFilter(random, now, known))
  if (order === 'time') return filters
  return filters.map(({ ids, limit, ...filter }) => filter)
}

function randomFilter(random: Dice, now: number, known: readonly NostrEvent[]): FilterJson {
  const json: FilterJson = {}
  const some = <T>(from: readonly T[], most = 3): T[] =>
    Array.from({ length: 1 + random.below(most) }, () => random.of(from))
  const ids = () => some(known, 8).map(({ id }) => id)
  if (random.chance(0.1)) json.ids = [...ids(), NOBODY]
  if (random.chance(0.3)) json.authors = some(KEYS)
  if (random.chance(0.4)) json.kinds = some(KINDS, 4)
  else if (random.chance(0.15)) json.kinds = some([4, 1059, 21_059, 34_707], 2)
  if (random.chance(0.15)) json['#p'] = some(KEYS)
  if (random.chance(0.1)) json['#e'] = [...ids(), NOBODY]
  for (const letter of ['d', 't'] as const) if (random.chance(0.15)) json[`#${letter}`] = some(VALUES, 6)
  if (random.chance(0.05)) json['#T'] = some(VALUES, 6)
  if (random.chance(0.05)) json['#a'] = [...some(known).map(event => naiveAddress(event) ?? ''), ...some(VALUES)]
  if (random.chance(0.2)) json.since = now - 1_000 + random.below(SECONDS + 1)
  if (random.chance(0.2)) json.until = now - 1_000 + random.below(SECONDS + 1)
  if (random.chance(0.4)) json.limit = random.of([0, 1, 2, 5, 10, 100])
  if (random.chance(0.04)) json[random.of(['ids', 'authors', 'kinds', '#t', '#p'] as const)] = []
  const tags = Object.keys(json).filter(key => key.startsWith('#'))
  for (const key of tags.slice(3)) delete json[key as '#p']
  return json
}
