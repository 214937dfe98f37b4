import type { EventTemplate, FilterJson, NostrEvent } from 'posthorn/protocol'
import type { RelayOptions } from 'posthorn/relay'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nowSeconds, type Person, person } from '../helpers/events.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { connect, type Frame, isFor, type Wire } from '../relay/wire.ts'

/** One row of docs/conformance.md. */
export interface Rule {
  readonly nip: string
  readonly text: string
  /** The file that tests it, or why it is left out. */
  readonly shown: { readonly file: string } | { readonly leftOut: string }
}

/** While set, rules are written down here and no test is registered. */
let book: Rule[] | undefined

/** The rules that files of this folder declare, in their order. */
export async function readRules(files: readonly string[]): Promise<readonly Rule[]> {
  const rules: Rule[] = []
  book = rules
  try {
    for (const file of files) {
      current = file
      await import(new URL(file, import.meta.url).href)
    }
  } finally {
    book = undefined
  }
  return rules
}
let current = ''

/** A socket that says what it is told to. */
export interface Client extends Wire {
  /** NIP-42: answers the challenge; resolves to the OK. */
  login(who: Person, change?: Partial<EventTemplate>): Promise<Frame>
  /** REQ, the ids that came before EOSE, CLOSE. */
  ids(...filters: object[]): Promise<string[]>
  /** Publishes; fails the test unless every OK is true. */
  store(...events: NostrEvent[]): Promise<void>
  /** Publishes; the reason of OK false, and fails the test on OK true. */
  refused(event: NostrEvent): Promise<string>
  /** REQ; the reason of CLOSED, and fails the test on EOSE. */
  closedFor(...filters: object[]): Promise<string>
}

/** What a rule's test has to work with: the relay of its file, and people whom no other rule knows. */
export interface Scene {
  readonly url: string
  readonly httpUrl: string
  readonly relay: RunningRelay['relay']
  readonly alice: Person
  readonly bob: Person
  readonly carol: Person
  /** Seconds. */
  readonly now: number
  open(): Promise<Client>
}

export interface Nip {
  /** A rule of the specification and the test that shows that the relay keeps it. */
  rule(text: string, show: (scene: Scene) => Promise<void>): void
  /** A rule that the relay does not keep, or that is none of its business. */
  leftOut(text: string, reason: string): void
}

type Options = Omit<RelayOptions, 'data' | 'store'>

/** Declares the rules of one NIP; all of a file share one relay with `options`, over SQLite and a real port. */
export function nip(number: string, options: Options | (() => Options) = {}): Nip {
  let running: RunningRelay | undefined
  if (book === undefined) {
    beforeAll(async () => {
      running = await startRelay(typeof options === 'function' ? options() : options)
    })
    afterAll(() => running?.[Symbol.asyncDispose]())
  }
  const leftOut = (text: string, reason: string) => {
    book?.push({ nip: number, text, shown: { leftOut: reason } })
  }
  return {
    leftOut,
    rule(text, show) {
      book?.push({ nip: number, text, shown: { file: current } })
      if (book !== undefined) return
      test(`NIP-${number}: ${text}`, async () => {
        if (running === undefined) throw new Error('the relay did not start')
        await show(sceneOf(running, `${number} ${text}`))
      })
    },
  }
}

const sceneOf = ({ url, httpUrl, relay }: RunningRelay, name: string): Scene => ({
  url,
  httpUrl,
  relay,
  alice: person(`alice of ${name}`),
  bob: person(`bob of ${name}`),
  carol: person(`carol of ${name}`),
  now: nowSeconds(),
  open: () => openClient(url),
})

export async function openClient(url: string): Promise<Client> {
  const wire = await connect(url)
  let asked = 0
  const ask = async (filters: readonly object[]) => {
    asked += 1
    const sub = `ask ${asked}`
    const frames = await wire.request(sub, ...(filters as readonly FilterJson[]))
    wire.send('CLOSE', sub)
    return frames.filter(frame => frame[1] === sub)
  }
  return {
    ...wire,
    login(who, change = {}) {
      const event = who.sign({
        kind: 22_242,
        created_at: nowSeconds(),
        tags: [
          ['relay', url],
          ['challenge', wire.challenge],
        ],
        ...change,
      })
      wire.send('AUTH', event)
      return wire.find(isFor('OK', event.id))
    },
    async ids(...filters) {
      const frames = await ask(filters)
      expect(frames.at(-1)?.[0]).toBe('EOSE')
      return frames.flatMap(frame => (frame[0] === 'EVENT' ? [(frame[2] as NostrEvent).id] : []))
    },
    async store(...events) {
      for (const event of events) expect((await wire.publish(event)).slice(1, 3)).toEqual([event.id, true])
    },
    async refused(event) {
      const [type, id, accepted, reason, ...rest] = await wire.publish(event)
      expect([type, id, accepted, rest]).toEqual(['OK', event.id, false, []])
      return String(reason)
    },
    async closedFor(...filters) {
      const [frame, ...more] = await ask(filters)
      expect(more).toEqual([])
      expect(frame?.[0]).toBe('CLOSED')
      return String(frame?.[2])
    },
  }
}

/** The words before the colon that a client may have to understand (NIP-01, NIP-42, NIP-77). */
export const STANDARD_PREFIX =
  /^(duplicate|pow|blocked|rate-limited|invalid|restricted|mute|error|auth-required|unsupported|closed): \S/
