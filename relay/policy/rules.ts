import { byteLength, encodeEvent } from '../../protocol/event.ts'
import { VANISH } from '../../protocol/kinds.ts'
import { reason } from '../../protocol/reasons.ts'
import type { ReadPolicy, Sender, WritePolicy } from './policy.ts'

const isStranger = ({ keys }: Sender): boolean => keys.length === 0

/** NIP-42 before writing. Somebody vouches for the event; its author may be another, as gift wraps need. */
export const authToWrite: WritePolicy = (_event, sender) =>
  isStranger(sender) ? reason('auth-required', 'authenticate to write here') : undefined

/** Where writing needs AUTH, a key vanishes only by its own word: anybody can make keys, and each request costs a signature and a commit. */
export const authorToVanish: WritePolicy = (event, { keys }) => {
  if (event.kind !== VANISH || keys.includes(event.pubkey)) return undefined
  return keys.length === 0
    ? reason('auth-required', 'authenticate as the key that is to vanish')
    : reason('restricted', 'a request to vanish comes from its author here; authenticate as that key')
}

/** NIP-42 before reading. */
export const authToRead: ReadPolicy = (_filters, sender) =>
  isStranger(sender) ? reason('auth-required', 'authenticate to read here') : undefined

type IsMember = (pubkey: string) => boolean

const refuseOutsider = (sender: Sender, isMember: IsMember): string | undefined => {
  if (sender.keys.some(isMember)) return undefined
  return isStranger(sender)
    ? reason('auth-required', 'this relay serves its members; authenticate as one')
    : reason('restricted', 'this relay serves its members; ask its owner for an invite')
}

/** A member's connection may hand in events of any author: gift wraps are signed by throwaway keys. */
export const membersToWrite =
  (isMember: IsMember): WritePolicy =>
  (_event, sender) =>
    refuseOutsider(sender, isMember)

export const membersToRead =
  (isMember: IsMember): ReadPolicy =>
  (_filters, sender) =>
    refuseOutsider(sender, isMember)

export const onlyKinds = (kinds: Iterable<number>): WritePolicy => {
  const allowed = new Set(kinds)
  return event => (allowed.has(event.kind) ? undefined : reason('blocked', `kind ${event.kind} is not kept here`))
}

/** Of the event's JSON in UTF-8 bytes; for limits below the relay's own. */
export const maxEventBytes =
  (bytes: number): WritePolicy =>
  event =>
    byteLength(encodeEvent(event)) > bytes
      ? reason('invalid', `the event is longer than ${bytes} bytes, the most that is kept here`)
      : undefined
