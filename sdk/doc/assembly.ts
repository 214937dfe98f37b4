import * as Y from 'yjs'
import type { Timers } from '../../platform/timers.ts'
import { type Cover, covers, entriesOf, joinCovers, type MutableCover, setEntry } from '../state/log/cover.ts'
import { clientIdOf } from './client-id.ts'
import { createGate, type Gated } from './gate.ts'
import { createIncoming, type RefusedDelta } from './incoming.ts'
import type { Kept, KeptState } from './kept.ts'
import { joinedUpdates } from './parts.ts'
import { createReplica, type Replica } from './replica.ts'
import type { Trial } from './trial.ts'

export interface AssemblyOptions {
  /** The generation's log. */
  readonly o: string
  /** To be filled. */
  readonly doc: Y.Doc
  readonly kept: Kept
  /** The generation starts with a state, without which nothing has its place. */
  readonly startsWithState: boolean
  /** Undefined: this host has none, and what is costly is applied all the same. */
  readonly trial: Trial | undefined
  /** Needed where there is a trial. */
  readonly timers?: Timers
  onRefused(refused: RefusedDelta): void
  /** A change takes this machine too long for now. */
  onPostponed?(change: RefusedDelta): void
  /** Yjs holds something back that nobody can bring. */
  onStuck(): void
  /** Everything that can be applied is. */
  onIdle(): void
}

/** Whose a client id is. */
export interface Writer {
  readonly author: string
  readonly session: string
}

/** A generation's Y.Doc, put together from what is kept of it and from what comes. */
export interface Assembly {
  readonly replica: Replica
  /** What is taken of each session; an own change belongs in here as soon as it is signed. */
  readonly applied: MutableCover
  /** What of it is in the document: an update that comes in parts is, with its last. */
  readonly whole: MutableCover
  /** What of the generation before is in it. */
  readonly before: Cover | undefined
  /** Its first state is here, or it starts with none. */
  readonly hasBase: boolean
  /** Deltas that wait for others. */
  readonly waiting: number
  readonly busy: boolean
  /** A change of a member was refused, and no state has brought it since. */
  readonly refused: boolean
  /** States are here that are not in the document yet. */
  readonly behind: boolean
  clientOf(author: string, session: string): number
  /** Of everything that is in the document. */
  writerOf(client: number): Writer | undefined
  /** Everything that is kept, once, before anything comes. */
  load(): void
  /** For what finds no room, a snapshot comes. */
  receive(delta: Gated): void
  /** At the next occasion, in one piece with what waits for it. */
  arrive(state: KeptState): void
  freeze(author: string, session: string, n: number): void
  /** Nothing is put in while it is held. */
  hold(held: boolean): void
  close(): void
  /** The document without what is in it of local changes that are not published: made from what is kept. */
  withoutLocal(): KeptState
}

export function assemble(options: AssemblyOptions): Assembly {
  const { o, doc, kept, trial } = options
  const applied: MutableCover = new Map()
  const whole: MutableCover = new Map()
  const replica = createReplica(doc)
  const gate = createGate(applied)
  const writers = new Map<number, Writer>()
  const arrived: KeptState[] = []
  let before: Cover | undefined
  let hasBase = !options.startsWithState
  let held = false
  let closed = false

  const incoming = createIncoming({
    replica,
    gate,
    applied,
    whole,
    clientOf,
    trial,
    timers: options.timers,
    onPostponed: options.onPostponed,
    onResumed() {
      offerKept()
      pump()
    },
    state: () => Y.encodeStateAsUpdate(doc),
    onRefused: options.onRefused,
    onStuck: options.onStuck,
    onIdle: options.onIdle,
  })

  function clientOf(author: string, session: string): number {
    const client = clientIdOf(author, o, session)
    if (!writers.has(client)) writers.set(client, { author, session })
    return client
  }

  function join(state: KeptState): void {
    const passed = [...entriesOf(state.cover)].filter(entry => !covers(whole, entry))
    const clients = passed.map(({ author, session }) => clientOf(author, session))
    if (!replica.join(state.state, clients).ok) return
    for (const cover of [applied, whole])
      for (const { author, session, ...entry } of entriesOf(joinCovers(cover, state.cover))) {
        setEntry(cover, author, session, entry)
        clientOf(author, session)
      }
    before = state.before ?? before
    hasBase = true
    gate.advanced()
    // What came behind a refused change was let go, and is still kept.
    if (incoming.advanced()) offerKept()
  }

  function offerKept(): void {
    for (const delta of kept.deltas()) gate.offer(delta)
  }

  function pump(): void {
    if (held || closed) return
    for (const state of arrived.splice(0)) if (!replica.together(() => join(state))) options.onStuck()
    if (hasBase) incoming.pump()
  }

  return {
    replica,
    applied,
    whole,
    get before() {
      return before
    },
    get hasBase() {
      return hasBase
    },
    get waiting() {
      return gate.waiting + incoming.postponed
    },
    get busy() {
      return incoming.busy
    },
    get refused() {
      return incoming.refused
    },
    get behind() {
      return arrived.length > 0
    },
    clientOf,
    writerOf: client => writers.get(client),
    load() {
      for (const state of kept.states()) join(state)
      for (const { author, session, n } of kept.ends()) gate.freeze(author, session, n)
      offerKept()
      pump()
    },
    receive(delta) {
      gate.offer(delta)
      pump()
    },
    arrive(state) {
      arrived.push(state)
      pump()
    },
    freeze: gate.freeze,
    hold(now) {
      held = now
      pump()
    },
    close() {
      closed = true
      incoming.close()
    },
    withoutLocal() {
      const plain = new Y.Doc()
      plain.transact(() => {
        for (const { state } of kept.states()) Y.applyUpdate(plain, state)
        for (const update of joinedUpdates(kept.deltas(), delta => covers(whole, delta))) Y.applyUpdate(plain, update)
      })
      // The order is that of arrival, in which fragments may wait for each other.
      Y.applyUpdate(plain, Y.encodeStateAsUpdate(plain))
      return {
        state: Y.encodeStateAsUpdate(plain),
        cover: joinCovers(whole, new Map()),
        ...(before === undefined ? {} : { before }),
      }
    },
  }
}
