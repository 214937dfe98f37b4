import { systemClock } from '../../platform/clock.ts'
import { findRecipient } from '../names/find.ts'
import type { Found } from '../names/internet-name.ts'
import { createNameBook } from '../names/name-book.ts'
import { nodeHost } from '../node-host.ts'
import { allowsPrivate } from '../relays/addresses.ts'
import { memoryShelf } from '../shelf.ts'
import { homeContacts } from './contacts.ts'
import { fileShelf } from './file-shelf.ts'
import { readProfile } from './profile.ts'

/** Whom `who` names to a home, from outside its running agent, which finds what was looked up here. Without a home: to a stranger. */
export async function findBeside(home: string | undefined, who: string): Promise<Found> {
  const shelf = home === undefined ? memoryShelf() : fileShelf(home)
  const allowPrivate = home !== undefined && allowsPrivate(undefined, readProfile(home).relays)
  const names = createNameBook({ shelf, clock: systemClock, get: nodeHost.get, allowPrivate })
  return findRecipient(who, home === undefined ? [] : homeContacts(home), names)
}
