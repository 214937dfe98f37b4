import { createHash } from 'node:crypto'
import { type EventTemplate, eventId, type NostrEvent, parseEvent, publicKeyOf, type Tag } from 'posthorn/protocol'
import { signSchnorr } from 'tiny-secp256k1'

/** Fixed auxiliary randomness: the same template by the same person is the same bytes in every run. */
const NO_AUX = new Uint8Array(32)

/** A key pair that is the same in every run, named after who it stands for. */
export interface Person {
  readonly name: string
  readonly secretKey: Uint8Array
  readonly pubkey: string
  /** Signs; what is left out is kind 1, no tags, empty content and a fixed second. */
  sign(template: Partial<EventTemplate>): NostrEvent
}

/** A fixed second for tests of shapes and order; relay tests use {@link nowSeconds} because relays check the time. */
export const A_SECOND = 1_700_000_000
export const nowSeconds = (): number => Math.floor(Date.now() / 1000)

export function person(name: string): Person {
  const secretKey = new Uint8Array(createHash('sha256').update(`posthorn test key ${name}`).digest())
  const pubkey = publicKeyOf(secretKey)
  return {
    name,
    secretKey,
    pubkey,
    sign: template =>
      fastSign({ kind: 1, created_at: A_SECOND, tags: [], content: '', ...template }, pubkey, secretKey),
  }
}

/**
 * As `signEvent` of `posthorn/protocol`, with fixed auxiliary randomness; by libsecp256k1 as WASM, which signs many times as fast as
 * our reference and to the same bytes (test/protocol/signature.test.ts).
 */
export function fastSign(template: EventTemplate, pubkey: string, secretKey: Uint8Array): NostrEvent {
  const id = eventId(pubkey, template)
  const sig = Buffer.from(signSchnorr(Buffer.from(id, 'hex'), secretKey, NO_AUX)).toString('hex')
  const event = parseEvent({ ...template, id, pubkey, sig })
  if (!event.ok) throw new TypeError(`cannot sign: ${event.error}`)
  return event.value
}

/** `count` signed notes, one second apart, newest last; `t` of the n-th is `topic`. ~0.2 ms each. */
export const notes = (author: Person, count: number, options: { from?: number; topic?: string } = {}): NostrEvent[] =>
  Array.from({ length: count }, (_, n) => {
    const tags: Tag[] = options.topic === undefined ? [] : [['t', options.topic]]
    return author.sign({ created_at: (options.from ?? nowSeconds() - count) + n, tags, content: `note ${n}` })
  })

/** The event with one hex digit of a field changed: well-formed and wrong. */
export function corrupt(event: NostrEvent, field: 'id' | 'pubkey' | 'sig', at = 5): NostrEvent {
  const text = event[field]
  return { ...event, [field]: text.slice(0, at) + (text[at] === '0' ? '1' : '0') + text.slice(at + 1) }
}
