import type { Dice } from '../relay/dice.ts'

type Json = unknown

/** What parsers, stores and clients of other people have tripped over. */
const JUNK: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e21,
  2 ** 53,
  '',
  '\0',
  '\ud800',
  '__proto__',
  'constructor',
  'toString',
  'a'.repeat(65),
  'f'.repeat(64),
  'F'.repeat(64),
  'é',
  [],
  [[]],
  [null],
  {},
  { id: 'f'.repeat(64) },
  { kinds: [1] },
  'EVENT',
  'REQ',
  '61',
]
const TYPES = ['EVENT', 'REQ', 'COUNT', 'CLOSE', 'AUTH', 'WILL', 'NEG-OPEN', 'NEG-MSG', 'NEG-CLOSE', 'OK', 'X']
const KEYS = ['ids', 'authors', 'kinds', '#e', '#t', '#', '#ab', 'since', 'until', 'limit', 'search', 'since_seq']
const MORE_KEYS = ['epoch', 'gone', 'id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig', '__proto__']
const CHARACTERS = ['"', '\\', '[', ']', '{', '}', ',', ':', '\0', '\n', '0', '-', 'e', '\ud800', '\u{1f4ef}', 'ÿ', ' ']

/** The text with a few characters put in, taken out, doubled or swapped for a piece of `other`. */
export function mutateText(random: Dice, text: string, other: string): string {
  let result = text
  for (let n = 1 + random.below(3); n > 0; n -= 1) {
    const at = random.below(result.length + 1)
    const end = at + random.below(random.chance(0.8) ? 4 : 200)
    const from = random.below(other.length + 1)
    const between = [random.of(CHARACTERS), '', result.slice(at, end).repeat(2), other.slice(from, from + end - at)]
    result = result.slice(0, at) + random.of(between) + result.slice(end)
  }
  return random.chance(0.05) ? result.slice(0, random.below(result.length + 1)) : result
}

/** The same frame with one to three of its values changed, dropped, doubled, wrapped or moved. */
export function mutateValue(random: Dice, text: string): string {
  let frame: Json = JSON.parse(text)
  for (let n = 1 + random.below(3); n > 0; n -= 1) frame = change(random, frame, 0)
  return JSON.stringify(frame)
}

function change(random: Dice, value: Json, depth: number): Json {
  if (depth > 0 && random.chance(0.35)) return replace(random, value)
  if (Array.isArray(value)) return changeList(random, value, depth)
  if (typeof value === 'object' && value !== null) return changeRecord(random, Object.entries(value), depth)
  return replace(random, value)
}

function changeList(random: Dice, value: readonly Json[], depth: number): Json {
  const list = [...value]
  const at = random.below(list.length)
  switch (list.length === 0 ? 0 : random.below(7)) {
    case 0:
      return list.toSpliced(at, 0, random.of(JUNK))
    case 1:
      return list.toSpliced(at, 1)
    case 2:
      return list.toSpliced(at, 0, list[random.below(list.length)])
    default:
      if (at === 0 && depth === 0) return list.with(0, random.of(random.chance(0.8) ? TYPES : JUNK))
      return list.with(at, change(random, list[at], depth + 1))
  }
}

function changeRecord(random: Dice, entries: [string, Json][], depth: number): Json {
  const at = random.below(entries.length)
  const name = () => random.of(random.chance(0.5) ? KEYS : MORE_KEYS)
  const [key, value] = entries[at] ?? [name(), random.of(JUNK)]
  switch (entries.length === 0 ? 0 : random.below(7)) {
    case 0:
      return Object.fromEntries([...entries, [name(), random.of(JUNK)]])
    case 1:
      return Object.fromEntries(entries.toSpliced(at, 1))
    case 2:
      return Object.fromEntries(entries.with(at, [name(), value]))
    default:
      return Object.fromEntries(entries.with(at, [key, change(random, value, depth + 1)]))
  }
}

function replace(random: Dice, value: Json): Json {
  if (random.chance(0.1)) return [value]
  if (random.chance(0.03)) return Array.from({ length: random.below(600) }, () => value)
  if (random.chance(0.02)) return nest(random.below(2_000))
  if (typeof value === 'number' && random.chance(0.5)) return value + random.of([-1, 1, 0.5, 1e9, -1e9])
  if (typeof value === 'string' && value !== '' && random.chance(0.6)) {
    const at = random.below(value.length)
    return value.slice(0, at) + random.of(['0', 'a', 'g', 'A', '\0', '\ud800', 'é', '']) + value.slice(at + 1)
  }
  return random.of(JUNK)
}

function nest(depth: number): Json {
  let value: Json = 1
  for (let n = 0; n < depth; n += 1) value = n % 2 ? [value] : { tags: value }
  return value
}
