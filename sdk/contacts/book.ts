import type { Clock } from '../../platform/clock.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import type { Contact } from '../api.ts'
import { ContactError } from '../errors.ts'
import { checkName } from '../profile-name.ts'
import { foreignRelay } from '../relays/addresses.ts'
import type { Shelf } from '../shelf.ts'

/** The people and agents somebody knows by name, kept on a shelf. Other programs of the same home may change it, too. */
export interface ContactBook {
  list(): readonly Contact[]
  /**
   * Adds, or gives a known key another name; relays it was known by stay where none are given. Throws {@link ContactError} if the name is
   * another's. `named`: whom names belong to, default the book's contacts; profiles of this machine have theirs.
   */
  put(contact: Contact, named?: readonly Contact[]): void
  /** False if there is no such key. */
  remove(pubkey: string): boolean
}

const SHELF = 'contacts'
const MAX_CONTACTS = 10_000
const MAX_HINTS = 4
/** What others wrote is seen after so long at the latest. */
const FRESH_MS = 2_000

export function createContactBook(shelf: Shelf, clock: Clock): ContactBook {
  let contacts: readonly Contact[] = []
  let readAt = Number.NEGATIVE_INFINITY

  function read(): readonly Contact[] {
    contacts = parse(shelf.read(SHELF))
    readAt = clock.monotonic()
    return contacts
  }

  function write(next: readonly Contact[]): void {
    shelf.write(SHELF, `${JSON.stringify({ v: 1, contacts: next }, null, 2)}\n`)
    contacts = next
    readAt = clock.monotonic()
  }

  return {
    list: () => (clock.monotonic() - readAt < FRESH_MS ? contacts : read()),
    put({ name, pubkey, relays = [] }, named) {
      checkName(name)
      const before = read()
      const others = before.filter(each => each.pubkey !== pubkey)
      const known = before.find(each => each.pubkey === pubkey)?.relays
      if ((named ?? others).some(each => each.name === name && each.pubkey !== pubkey))
        throw new ContactError(
          'contact-exists',
          `another contact, or profile of this machine, is called ${name}; choose another name.`,
        )
      if (others.length >= MAX_CONTACTS)
        throw new ContactError('contacts-full', `there are ${MAX_CONTACTS} contacts; remove some first.`)
      write([...others, entry(name, pubkey, relays.length > 0 ? relays : (known ?? []))])
    },
    remove(pubkey) {
      const before = read()
      const rest = before.filter(each => each.pubkey !== pubkey)
      if (rest.length === before.length) return false
      write(rest)
      return true
    },
  }
}

/** Throws {@link ContactError} on a file that is there and cannot be read: silently taking nobody for known would lose their work. */
function parse(text: string | undefined): readonly Contact[] {
  if (text === undefined) return []
  const json = parseJson(text)
  const list = json.ok && isRecord(json.value) && own(json.value, 'v') === 1 ? own(json.value, 'contacts') : undefined
  if (!Array.isArray(list))
    throw new ContactError(
      'contacts-malformed',
      'the list of contacts is damaged; repair or remove contacts.json in the home.',
    )
  return list.flatMap(each => {
    const [name, pubkey, relays] = isRecord(each) ? ['name', 'pubkey', 'relays'].map(field => own(each, field)) : []
    return typeof name === 'string' && isHex64(pubkey) ? [entry(name, pubkey, Array.isArray(relays) ? relays : [])] : []
  })
}

/** Whether an address may be dialled depends on the agent, and is asked when it is used. */
function entry(name: string, pubkey: string, hints: readonly unknown[]): Contact {
  const urls = hints.flatMap(hint => (typeof hint === 'string' ? (foreignRelay(hint, true) ?? []) : []))
  const relays = Object.freeze([...new Set(urls)].slice(0, MAX_HINTS))
  return Object.freeze({ name, pubkey, ...(relays.length > 0 ? { relays } : {}) })
}

/** Names of the book before those of the surroundings, which stay known beside them; a key is one contact. */
export function mergeContacts(book: readonly Contact[], around: readonly Contact[]): readonly Contact[] {
  if (book.length === 0) return around
  const known = new Set(book.map(({ pubkey }) => pubkey))
  const named = book.map(contact => {
    const profile = around.find(({ pubkey }) => pubkey === contact.pubkey)?.name
    return profile === undefined || profile === contact.name ? contact : { ...contact, profile }
  })
  return [...named, ...around.filter(({ pubkey }) => !known.has(pubkey))]
}
