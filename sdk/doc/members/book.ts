import { seconds } from '../../../platform/clock.ts'
import type { Cancel } from '../../../platform/timers.ts'
import type { EventTemplate, NostrEvent } from '../../../protocol/event.ts'
import { DOC_CONTROL } from '../../../protocol/kinds.ts'
import type { Line } from '../../link/line.ts'
import { horizonOf } from '../../misdated.ts'
import { createPulse } from '../../notices.ts'
import type { DocHost } from '../host.ts'
import { watchShared } from '../shared-watch.ts'
import { type Chain, foldChain } from './chain.ts'
import { type Control, parseControl } from './control.ts'
import { keptControls } from './kept-controls.ts'

/** Control events of one document that are kept. More is no document, but somebody's mistake or malice. */
const MAX_CONTROLS = 2_000

export interface ControlBook {
  readonly chain: Chain
  /** The one in force. */
  readonly last: Control | undefined
  /** A relay was asked, and has told all it has. */
  readonly asked: boolean
  /** So has every relay. */
  readonly askedAll: boolean
  /** Control events of this agent that no relay is known to have. */
  readonly unacknowledged: number
  /** Why a relay refused the last one that it refused, until one takes it: untrusted text. */
  readonly refusal: string | undefined
  /**
   * Signs own control events again that a clock that was ahead has dated, and those behind them: no relay takes them before their date.
   * Only where no relay has one of them, and every relay has told what it has.
   */
  redate(): Promise<void>
  /** Signs one behind the last, keeps it, and offers it to every relay; at those that are not there, when they are. */
  add(template: EventTemplate, alongside?: () => void): Promise<Control>
  /** Resolves at the next change of `chain` or `asked`, or after closing. */
  next(): Promise<void>
  close(): void
}

interface Known {
  readonly control: Control
  readonly event: NostrEvent
}

/** Who is a member, from all relays and what is kept here: one set of signed events, one chain. */
export function openControlBook(host: DocHost, id: string, owner: string, onChange: () => void): ControlBook {
  const kept = keptControls(host.store, id)
  const known = new Map<string, Known>()
  const news = createPulse()
  let chain: Chain = { controls: [], forks: [] }
  let watched = ''
  let stop: Cancel = () => {}
  const asked = new Set<string>()
  /** Ids of control events that a relay has. */
  const held = new Set<string>()
  const refusals = new Map<string, string>()
  let closed = false
  let redating: Promise<void> | undefined

  for (const event of kept.all()) {
    learn(event)
    if (!kept.isUnsent(event.id)) held.add(event.id)
  }
  fold()

  function learn(event: NostrEvent): boolean {
    if (known.has(event.id) || known.size >= MAX_CONTROLS) return false
    const control = parseControl(event)
    if (!control.ok || control.value.o !== id) return false
    known.set(event.id, { control: control.value, event })
    return true
  }

  function fold(): void {
    chain = foldChain(
      [...known.values()].map(({ control }) => control),
      id,
      owner,
    )
  }

  /** Nobody else's events can matter, and so nobody else can bury those that do. */
  function admins(): string[] {
    const keys = new Set([owner])
    for (const { members } of chain.controls)
      for (const { pubkey, role } of members) if (role === 'admin') keys.add(pubkey)
    return [...keys].sort()
  }

  function watch(): void {
    const authors = admins()
    if (closed || watched === authors.join()) return
    watched = authors.join()
    stop()
    stop = host.eachLine(line => {
      const there = new Set<string>()
      return watchShared(line, host.timers, {
        kind: DOC_CONTROL,
        o: id,
        authors,
        stored: true,
        onEvent(event) {
          there.add(event.id)
          take(event)
          answered(event.id)
        },
        onLive() {
          asked.add(line.url)
          void redate().finally(() => {
            for (const { event } of known.values()) if (!there.has(event.id)) void publish(line, event)
            changed()
          })
        },
      })
    })
  }

  async function publish(line: Line, event: NostrEvent): Promise<void> {
    const { accepted, message } = await line.publish(event)
    if (accepted) answered(event.id)
    else if (accepted === false && !held.has(event.id)) answered(event.id, message)
    changed()
  }

  function answered(event: string, reason?: string): void {
    if (reason === undefined) {
      held.add(event)
      refusals.delete(event)
    } else refusals.set(event, reason)
    if (closed || !kept.isUnsent(event)) return
    try {
      host.store.transaction(() => kept.answered(event, reason))
    } catch {
      // A disk that takes nothing: it counts as unsent until it is asked about again.
    }
  }

  function take(event: NostrEvent): void {
    if (closed || !learn(event)) return
    host.store.transaction(() => kept.keep(event))
    const before = chain.controls.at(-1)?.id
    fold()
    if (chain.controls.at(-1)?.id !== before) changed()
    watch()
  }

  const isAskedAll = () => host.lines().every(({ url }) => asked.has(url))

  /** Own, from the first that is dated ahead; none if a relay has one of them. */
  function misdated(): readonly Control[] {
    // A relay that is away may have taken one, and its answer was lost: signed again that would be a fork.
    if (closed || !isAskedAll()) return []
    const isOpen = ({ id, author }: Control) => author === host.signer.pubkey && !held.has(id)
    const first = chain.controls.findIndex(control => isOpen(control) && control.at > horizonOf(host.clock))
    const late = first === -1 ? [] : chain.controls.slice(first)
    return late.every(isOpen) ? late : []
  }

  async function signAgain(): Promise<void> {
    const late = misdated()
    const events = new Map<string, NostrEvent>()
    let previous = late[0]?.previous
    for (const { id: each } of late) {
      const { kind, tags, content } = (known.get(each) as Known).event
      const above = previous
      const event = await host.signer.sign({
        kind,
        created_at: seconds(host.clock),
        tags: tags.map(tag => (tag[0] === 'e' && above !== undefined ? ['e', above] : [...tag])),
        content,
      })
      events.set(each, event)
      previous = event.id
    }
    if (closed || events.size === 0 || late.some(control => held.has(control.id))) return
    host.store.transaction(() => {
      for (const [each, event] of events) kept.replace(each, event)
    })
    await host.store.durable?.()
    for (const [each, event] of events) {
      known.delete(each)
      refusals.delete(each)
      learn(event)
    }
    fold()
    for (const event of events.values()) for (const line of host.lines()) if (line.isOpen) void publish(line, event)
    changed()
  }

  /** One after the other. A key that is away is asked again at the next occasion. */
  function redate(): Promise<void> {
    redating ??= signAgain()
      .catch(() => {})
      .finally(() => {
        redating = undefined
      })
    return redating
  }

  function changed(): void {
    if (closed) return
    if (misdated().length > 0) void redate()
    news.beat()
    onChange()
  }

  watch()
  return {
    get chain() {
      return chain
    },
    get last() {
      return chain.controls.at(-1)
    },
    get asked() {
      return asked.size > 0
    },
    get askedAll() {
      return isAskedAll()
    },
    get unacknowledged() {
      return chain.controls.filter(({ id, author }) => author === host.signer.pubkey && !held.has(id)).length
    },
    get refusal() {
      return [...refusals.values()].at(-1)
    },
    redate,
    async add(template, alongside) {
      const event = await host.signer.sign(template)
      const control = parseControl(event)
      if (!control.ok) throw new TypeError(`a control event that nobody would take: ${control.error}`)
      learn(event)
      host.store.transaction(() => {
        kept.keep(event, 'made')
        alongside?.()
      })
      await host.store.durable?.()
      fold()
      await Promise.all(host.lines().map(line => (line.isOpen ? publish(line, event) : undefined)))
      changed()
      watch()
      return control.value
    },
    next: news.next,
    close() {
      closed = true
      stop()
      news.beat()
    },
  }
}
