import type { MailStore } from './store.ts'

/** Notes under it and an event's id: what the outbox calls that event. */
export const ALIAS = 'redated:'

/** The id under which the outbox knows a sent message. */
export const idOf = (store: MailStore, id: string): string =>
  store.recipient(id) === undefined ? (store.relayNote(ALIAS + id)?.text ?? id) : id
