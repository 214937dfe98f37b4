import { sha256 } from '@noble/hashes/sha2.js'
import { type Random, randomHex } from '../../platform/random.ts'
import { bytesToHex } from '../../protocol/hex.ts'
import { isCount, isRecord, own, parseJson } from '../../protocol/json.ts'
import type { Store } from '../log/store.ts'

const SECTION = 'invite'
/** 128 bits: not to be guessed. */
const CODE_CHARS = 32

export interface InviteTerms {
  /** How many keys may join with it. Default 1. */
  readonly uses?: number
  /** Seconds until it expires. Default 7 days. */
  readonly validForS?: number
}

interface Invite {
  readonly left: number
  /** Seconds since 1970. */
  readonly expires: number
}

const WEEK_S = 7 * 24 * 3600

/** Codes that let somebody in, durable; of a code only its hash is kept, so that a copy of the log is no key to the relay. */
export class Invites {
  readonly #store: Pick<Store, 'writeSetting'>
  readonly #random: Random
  /** By hash. */
  readonly #invites = new Map<string, Invite>()
  readonly #max: number

  private constructor(store: Pick<Store, 'writeSetting'>, random: Random, max: number) {
    this.#store = store
    this.#random = random
    this.#max = max
  }

  static async load(
    store: Pick<Store, 'readSettings' | 'writeSetting'>,
    random: Random,
    max: number,
  ): Promise<Invites> {
    const invites = new Invites(store, random, max)
    for (const { section, name, value } of await store.readSettings()) {
      const invite = section === SECTION ? parse(value) : undefined
      if (invite !== undefined) invites.#invites.set(name, invite)
    }
    return invites
  }

  /** A fresh code, on disk when this resolves; undefined if too many are outstanding. */
  async issue(now: number, { uses = 1, validForS = WEEK_S }: InviteTerms = {}): Promise<string | undefined> {
    await this.#forgetExpired(now)
    if (this.#invites.size >= this.#max) return undefined
    const code = randomHex(this.#random, CODE_CHARS)
    await this.#put(hash(code), { left: uses, expires: now + validForS })
    return code
  }

  /** Uses a code up by one. It counts as used before this resolves, so that two claims at once never share the last use. */
  async claim(code: string, now: number): Promise<'claimed' | 'expired' | 'unknown'> {
    const name = hash(code)
    const invite = this.#invites.get(name)
    if (invite === undefined) return 'unknown'
    if (invite.expires <= now) return 'expired'
    await this.#put(name, { ...invite, left: invite.left - 1 })
    return 'claimed'
  }

  async #put(name: string, invite: Invite): Promise<void> {
    const before = this.#invites.get(name)
    if (invite.left > 0) this.#invites.set(name, invite)
    else this.#invites.delete(name)
    try {
      await this.#store.writeSetting({
        section: SECTION,
        name,
        value: invite.left > 0 ? JSON.stringify(invite) : null,
      })
    } catch (error) {
      if (before === undefined) this.#invites.delete(name)
      else this.#invites.set(name, before)
      throw error
    }
  }

  async #forgetExpired(now: number): Promise<void> {
    for (const [name, { expires }] of this.#invites) {
      // Kept for a while, so that a latecomer is told what happened.
      if (expires > now - WEEK_S) continue
      await this.#put(name, { left: 0, expires })
    }
  }
}

const hash = (code: string): string => bytesToHex(sha256(new TextEncoder().encode(code)))

function parse(text: string): Invite | undefined {
  const json = parseJson(text)
  if (!json.ok || !isRecord(json.value)) return undefined
  const left = own(json.value, 'left')
  const expires = own(json.value, 'expires')
  return isCount(left) && isCount(expires) ? { left, expires } : undefined
}
