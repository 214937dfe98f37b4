import { systemClock } from '../../platform/clock.ts'
import type { Contact } from '../api.ts'
import { createContactBook, mergeContacts } from '../contacts/book.ts'
import { fileShelf } from './file-shelf.ts'
import { siblingContacts } from './profile.ts'

/** Whom a home knows, from outside a running agent: its book, then the profiles beside it. */
export const homeContacts = (home: string): readonly Contact[] =>
  mergeContacts(createContactBook(fileShelf(home), systemClock).list(), siblingContacts(home))
