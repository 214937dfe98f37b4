import { nprofileOf } from '../npub.ts'
import { announceable } from './lists.ts'

/** What others need to write to this key (NIP-19): with its public relays, or the others if it has no public ones. */
export const ownNprofile = (pubkey: string, relays: readonly string[]): string =>
  nprofileOf(pubkey, announceable(relays))
