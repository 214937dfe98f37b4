import type { Clock } from '../../platform/clock.ts'
import type { WebGet } from '../../platform/web-get.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { NameLookupError } from '../errors.ts'
import { loadSeldom } from '../load-seldom.ts'
import type { Shelf } from '../shelf.ts'
import type { Found, InternetName } from './internet-name.ts'

const SHELF = 'names'
/** Asked again after so long. */
const FRESH_MS = 3_600_000
/** What other programs of the same home have looked up is seen after so long. */
const READ_FRESH_MS = 2_000
/** A domain that does not answer is believed for so long in what it said last. */
const KEPT_MS = 30 * 86_400_000
const MAX_KEPT = 500

export interface NameBookOptions {
  readonly shelf: Shelf
  readonly clock: Clock
  /** Undefined: this host looks nothing up. */
  readonly get: WebGet | undefined
  /** Whether domains on this machine and in private networks may be asked. */
  readonly allowPrivate: boolean
}

/** Internet names (NIP-05) that were looked up, kept with what their domains said. */
export interface NameBook {
  /** Asks the domain, unless it did so lately. Rejects with {@link NameLookupError}. */
  find(name: InternetName): Promise<Found>
  /** What was said with a name about where its key reads; unchecked. */
  relaysOf(pubkey: string): readonly string[]
}

interface Kept extends Found {
  readonly name: string
  readonly askedMs: number
}

export function createNameBook({ shelf, clock, get, allowPrivate }: NameBookOptions): NameBook {
  const asking = new Map<string, Promise<Found>>()
  let known: readonly Kept[] = []
  let readAt = Number.NEGATIVE_INFINITY

  function kept(): readonly Kept[] {
    if (clock.monotonic() - readAt < READ_FRESH_MS) return known
    known = readKept(shelf)
    readAt = clock.monotonic()
    return known
  }

  function keep(name: string, found: Found | undefined): void {
    const others = readKept(shelf).filter(each => each.name !== name)
    const now = found === undefined ? [] : [{ name, ...found, askedMs: clock.now() }]
    known = [...now, ...others].slice(0, MAX_KEPT)
    readAt = clock.monotonic()
    shelf.write(SHELF, JSON.stringify({ v: 1, names: known }))
  }

  async function ask(asked: InternetName, before: Kept | undefined): Promise<Found> {
    const { name, host } = asked
    let found: Found | undefined
    try {
      if (get === undefined) throw new Error('this host has no way to ask')
      const { askDomain } = await loadSeldom()
      found = await askDomain(asked, { get, allowPrivate })
    } catch (cause) {
      // Who was found there before is still who was meant: the domain is away, it has not changed its mind.
      if (before !== undefined && clock.now() - before.askedMs < KEPT_MS) return before
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new NameLookupError(
        'name-unreachable',
        `${name} cannot be looked up: ${why}; try again, or use the npub.`,
        {
          cause,
        },
      )
    }
    if (found !== undefined || before !== undefined) keep(name, found)
    if (found === undefined) throw new NameLookupError('name-unknown', `${host} knows nobody called ${name}.`)
    return found
  }

  return {
    async find(name) {
      const before = kept().find(each => each.name === name.name)
      const age = clock.now() - (before?.askedMs ?? 0)
      if (before !== undefined && age >= 0 && age < FRESH_MS) return before
      const running = asking.get(name.name)
      if (running !== undefined) return running
      const answer = ask(name, before).finally(() => asking.delete(name.name))
      asking.set(name.name, answer)
      return answer
    },
    relaysOf: pubkey => kept().find(each => each.pubkey === pubkey)?.relays ?? [],
  }
}

/** Our own file, but perhaps from another version: what cannot be read is asked for again. */
function readKept(shelf: Shelf): readonly Kept[] {
  const json = parseJson(shelf.read(SHELF) ?? '')
  const names = json.ok && isRecord(json.value) && own(json.value, 'v') === 1 ? own(json.value, 'names') : undefined
  return Array.isArray(names) ? names.filter(isKept) : []
}

const isKept = (value: unknown): value is Kept =>
  isRecord(value) &&
  typeof value['name'] === 'string' &&
  isHex64(value['pubkey']) &&
  Number.isSafeInteger(value['askedMs']) &&
  Array.isArray(value['relays']) &&
  value['relays'].every(url => typeof url === 'string')
