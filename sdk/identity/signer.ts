import type { EventTemplate, NostrEvent } from '../../protocol/event.ts'

/** A value now, or later: keys in this process answer at once, keys elsewhere take a round trip. */
export type MaybePromise<T> = T | Promise<T>

/** Goes on with a value at once if it is there, else when it is. */
export const andThen = <T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> =>
  value instanceof Promise ? value.then(next) : next(value)

/**
 * Who an agent is: one public key, and the three things only its secret key can do. Everything in the SDK that signs, seals or
 * opens goes through it, so that the key itself may live elsewhere (a bunker, NIP-46; an extension).
 */
export interface Signer {
  /** 64 hex. */
  readonly pubkey: string
  /** The signed event of this key. Its fields are those of the template; an agent checks that they are. */
  sign(template: EventTemplate): MaybePromise<NostrEvent>
  /** NIP-44 v2 for `to` (64 hex); an agent checks form and length. Throws or rejects if `to` is no key, or the signer refuses. */
  encrypt(text: string, to: string): MaybePromise<string>
  /** Throws or rejects if the payload was not sealed by `from` for this key, or the signer refuses. */
  decrypt(payload: string, from: string): MaybePromise<string>
  /** Forgets what it holds: keys derived, connections. Harmless twice. */
  close?(): Promise<void>
}

const known = new WeakSet<object>()

/** Marks a signer whose answers need no check: its key is in this process, or each answer is checked already. */
export function trusted<S extends object>(signer: S): S {
  known.add(signer)
  return signer
}

export const isTrusted = (signer: object): boolean => known.has(signer)
