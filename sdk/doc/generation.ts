import { sha256 } from '@noble/hashes/sha2.js'
import * as Y from 'yjs'
import { sleep } from '../../platform/timers.ts'
import { bytesToHex } from '../../protocol/hex.ts'
import { type Dependency, MAX_DEPS } from '../../protocol/state.ts'
import { createPulse } from '../notices.ts'
import {
  type Cover,
  coveredUpTo,
  covers,
  entriesOf,
  joinCovers,
  type MutableCover,
  setEntry,
} from '../state/log/cover.ts'
import type { Delta, Fork, Log, Place, Snapshot, SnapshotDraft } from '../state/log/types.ts'
import { clientIdOf } from './client-id.ts'
import { isSameContent } from './compact.ts'
import { createGate, type Gated } from './gate.ts'
import type { DocHost } from './host.ts'
import { createIncoming, type RefusedDelta } from './incoming.ts'
import { FOLD_AT, type HistoryEntry, type Kept, type KeptState, openKept } from './kept.ts'
import { gatherLocalEdits } from './local-edits.ts'
import { roleIn } from './members/chain.ts'
import type { Control } from './members/control.ts'
import { may } from './members/roles.ts'
import { logOf } from './name.ts'
import { type DeltaPayload, deltaCodec, PART_BYTES, type StatePayload, stateBytes, stateCodec } from './payload.ts'
import { reissue } from './reissue.ts'
import { createReplica } from './replica.ts'
import type { DocSeal } from './secret/seal.ts'
import type { Trial } from './trial.ts'

export interface GenerationOptions {
  readonly host: DocHost
  /** The document: 32 hex. */
  readonly id: string
  /** The control event in force; of this generation. */
  control(): Control
  /** None: the document is public. */
  readonly seal: DocSeal | undefined
  readonly doc: Y.Doc
  readonly trial: Trial | undefined
  /** This agent has begun the generation: its first state is here, for others to get. */
  readonly starter: boolean
  onChange(): void
  onRefused(refused: RefusedDelta): void
  onFork(fork: Fork): void
  /** Local changes cannot be written: why. They stay in the document. */
  onUnwritten(reason: string): void
  /** The document has to be made anew from what is kept. */
  onBroken(reason: string): void
}

/** One generation of a document: its log, and the Y.Doc that it makes. */
export interface Generation {
  readonly number: number
  readonly doc: Y.Doc
  readonly log: Log<DeltaPayload, StatePayload>
  /** Our client id's session. */
  readonly session: string
  /** Everything that the relays have is in the document; false also while its first state has not come. */
  readonly synced: boolean
  readonly waiting: number
  readonly unwritten: boolean
  /** What is in the document, and published. */
  readonly whole: Cover
  history(): readonly HistoryEntry[]
  /** Nothing is written and nothing taken in while it is held. */
  hold(held: boolean): void
  /** Writes local changes now. False: not possible yet; they are kept. */
  flush(): Promise<boolean>
  /** The published state and what is in it; only while nothing local is unwritten. */
  published(): KeptState | undefined
  /** Resolves once `synced`, or false after closing. */
  whenSynced(): Promise<boolean>
  /** Own changes of the generation before that are not in what this one began with are said again, once that is here. */
  carryOver(earlier: Kept): Promise<{ readonly count: number; readonly whole: boolean }>
  /** With `flush` false local changes are kept, not written. */
  close(timeoutMs: number, how?: { readonly flush: boolean }): Promise<void>
}

export function openGeneration(options: GenerationOptions): Generation {
  const { host, id, doc, control, trial } = options
  const { generation: number, base } = control()
  const o = logOf(id, number)
  const self = host.signer.pubkey
  const kept = openKept(host.store, o)
  const applied: MutableCover = new Map()
  const whole: MutableCover = new Map()
  const replica = createReplica(doc)
  const gate = createGate(applied)
  const news = createPulse()
  /** Whose a client id is: of everything that is in the document. */
  const writers = new Map<number, { readonly author: string; readonly session: string }>()
  /** What own deltas have said that they come after. */
  const said: MutableCover = new Map()
  /** States by others that are not in the document yet. */
  const arrived: KeptState[] = []
  let before: Cover | undefined
  let hasBase = base === undefined
  let ready = false
  let held = false
  let opened = false
  let writing: Promise<boolean> | undefined
  let closed = false

  const clientOf = (author: string, session: string): number => {
    const client = clientIdOf(author, o, session)
    if (!writers.has(client)) writers.set(client, { author, session })
    return client
  }
  const stateNow = () => Y.encodeStateAsUpdate(doc)

  const incoming = createIncoming({
    replica,
    gate,
    applied,
    whole,
    clientOf,
    trial,
    state: stateNow,
    onRefused: options.onRefused,
    onStuck: () => options.onBroken('Yjs holds back a change that all have'),
    onIdle() {
      considerFolding()
      changed()
    },
  })

  const log = host.openLog<DeltaPayload, StatePayload>({
    o,
    authors: () => new Set(control().members.flatMap(({ pubkey, role }) => (may(role, 'write') ? [pubkey] : []))),
    delta: deltaCodec(options.seal),
    snapshot: stateCodec(options.seal),
    keepSession: true,
    onDelta: receive,
    onSnapshot: believe,
    takeSnapshot,
    onChange: changed,
    onFork(fork) {
      gate.freeze(fork.author, fork.session, fork.n)
      kept.end(fork)
      options.onFork(fork)
      if (fork.author === self && fork.session === session) options.onBroken('this key wrote from two places at once')
      else if (coveredUpTo(whole, fork.author, fork.session) >= fork.n)
        options.onBroken('a change that was applied is one of two with the same number')
    },
  })
  load()
  const session = log.begin()
  const client = clientOf(self, session)
  doc.clientID = client
  const edits = gatherLocalEdits(doc, host.timers, () => void flush())
  takeUpUnwritten()
  opened = true
  considerFolding()
  log.ready().then(async isReady => {
    if (!isReady || closed) return
    ready = true
    if (options.starter && base !== undefined && log.cover().size === 0) await log.snapshot()
    changed()
    void flush()
  })

  function load(): void {
    const states = kept.states()
    for (const state of states) join(state)
    for (const { author, session: of, n } of kept.ends()) gate.freeze(author, of, n)
    for (const delta of kept.deltas()) gate.offer(delta)
    pump()
  }

  function join(state: KeptState): boolean {
    if (!replica.join(state.state).ok) return false
    for (const cover of [applied, whole])
      for (const { author, session: of, ...entry } of entriesOf(joinCovers(cover, state.cover))) {
        setEntry(cover, author, of, entry)
        clientOf(author, of)
      }
    before = state.before ?? before
    hasBase = true
    gate.advanced()
    incoming.advanced()
    return true
  }

  function receive({ author, session: of, n, id: event, deps, at, payload }: Delta<DeltaPayload>): void {
    const delta: Gated = { author, session: of, n, id: event, deps, ...payload }
    kept.addDelta(delta, at)
    // For what finds no room, a snapshot comes.
    gate.offer(delta)
    pump()
  }

  function believe({ author, cover, payload }: Snapshot<StatePayload>): boolean {
    const isBase = base !== undefined && bytesToHex(sha256(stateBytes(payload))) === base
    if (!isBase && !may(roleIn(control(), author), 'snapshot')) return false
    if (base !== undefined && payload.before === undefined) return false
    if (!replica.check(payload.state).ok) return false
    const state: KeptState = { ...payload, cover }
    kept.addState(author, state)
    // Not inside the transaction of the store, and in one piece with what waits for it.
    queueMicrotask(() => {
      arrived.push(state)
      pump()
    })
    return true
  }

  /** Local changes of a process that ended before it could write them: said again under our client id. */
  function takeUpUnwritten(): void {
    const local = kept.local()
    if (!local) return
    again(local.updates, stateNow())
    kept.keepLocal(client, edits.list())
  }

  function again(updates: readonly Uint8Array[], from: Uint8Array): boolean {
    if (updates.length === 0) return true
    const { update, whole } = reissue(from, updates, stateNow(), client)
    // Yjs gives up a client id whose clock an update moves; this one is ours all the same.
    doc.clientID = 0
    Y.applyUpdate(doc, update, 'again')
    doc.clientID = client
    return whole
  }

  /** What own changes of the generation before were made for: this one, or, if it began without its past, the same content there. */
  function groundOf(updates: readonly Uint8Array[], earlier: Kept): Uint8Array {
    const now = stateNow()
    if (reissue(now, updates, now, client).whole) return now
    const there = new Y.Doc()
    for (const { state } of earlier.states()) Y.applyUpdate(there, state)
    for (const update of joinedUpdates(earlier.deltas(), delta => covers(before ?? new Map(), delta)))
      Y.applyUpdate(there, update)
    const state = Y.encodeStateAsUpdate(there)
    return isSameContent(state, now) ? state : now
  }

  function pump(): void {
    if (held || closed) return
    for (const state of arrived.splice(0))
      if (!replica.together(() => void join(state))) options.onBroken('Yjs holds back a change that all have')
    if (hasBase) incoming.pump()
  }

  function changed(): void {
    if (closed) return
    news.beat()
    options.onChange()
  }

  function considerFolding(): void {
    if (!opened || kept.unfolded < FOLD_AT) return
    const state = published()
    if (state) host.store.transaction(() => kept.fold(state, self))
  }

  const isQuiet = () => edits.isEmpty && writing === undefined && !incoming.busy

  function published(): KeptState | undefined {
    if (!isQuiet() || !hasBase) return undefined
    return { state: stateNow(), cover: joinCovers(whole, new Map()), ...(before === undefined ? {} : { before }) }
  }

  function takeSnapshot(): SnapshotDraft<StatePayload> | undefined {
    if (!may(roleIn(control(), self), 'snapshot')) return undefined
    if (!hasBase || incoming.busy) return undefined
    const { cover, ...payload } = published() ?? withoutLocal()
    return { payload, cover, control: control().id }
  }

  /** The same while local changes are in the document that are not published: made from what is kept. */
  function withoutLocal(): KeptState {
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
  }

  function flush(): Promise<boolean> {
    writing ??= writeAll().finally(() => {
      writing = undefined
      changed()
    })
    return writing
  }

  async function writeAll(): Promise<boolean> {
    while (!edits.isEmpty) {
      if (!may(roleIn(control(), self), 'write')) {
        options.onUnwritten('this key may read the document, not write; ask an admin for the role "write".')
        return false
      }
      if (!ready || !hasBase || held || closed) {
        kept.keepLocal(client, edits.list())
        return false
      }
      const update = edits.take()
      if (update === undefined) return true
      try {
        if (!(await write(update))) return false
      } catch (error) {
        edits.putBack(update)
        kept.keepLocal(client, edits.list())
        options.onUnwritten(error instanceof Error ? error.message : String(error))
        return false
      }
    }
    return true
  }

  async function write(update: Uint8Array): Promise<boolean> {
    const judged = replica.judge(update, client)
    if (!judged.ok) {
      options.onUnwritten(
        `others would refuse this change: ${judged.error}. Let nothing else but this provider load the document.`,
      )
      return false
    }
    if (log.session !== session) {
      edits.putBack(update)
      options.onBroken('this key has written from elsewhere')
      return false
    }
    const waits = depsOf(judged.value.refersTo)
    const pieces = cut(update)
    // More than one event can name go in front, in events without anything else.
    const groups = chunk(waits, MAX_DEPS)
    for (const deps of groups.slice(0, -1)) await put({ more: true, bytes: new Uint8Array() }, deps)
    const last = groups.at(-1) ?? []
    for (const [index, bytes] of pieces.entries()) {
      const more = index < pieces.length - 1
      await put({ more, bytes }, index === 0 ? last : [], place => {
        if (more) return
        replica.wrote(judged.value)
        setEntry(whole, self, place.session, { n: place.n, id: place.id.slice(0, 16) })
      })
    }
    kept.keepLocal(client, edits.list())
    for (const { author, session: of, n } of waits) setEntry(said, author, of, { n })
    considerFolding()
    return true
  }

  async function put(
    payload: DeltaPayload,
    deps: readonly Dependency[],
    then?: (place: Place & { readonly id: string }) => void,
  ): Promise<void> {
    await log.write(payload, {
      deps,
      control: control().id,
      commit(place) {
        const { n, id: event } = place
        kept.addDelta(
          { author: self, session: place.session, n, id: event, deps, ...payload },
          Math.floor(host.clock.now() / 1000),
        )
        setEntry(applied, self, place.session, { n, id: event.slice(0, 16) })
        then?.(place)
      },
    })
  }

  function depsOf(clients: ReadonlySet<number>): Dependency[] {
    const deps: Dependency[] = []
    for (const each of clients) {
      const writer = writers.get(each)
      if (!writer) continue
      const n = coveredUpTo(whole, writer.author, writer.session)
      if (n > coveredUpTo(said, writer.author, writer.session)) deps.push({ ...writer, n })
    }
    return deps
  }

  const synced = () =>
    ready && hasBase && !held && arrived.length === 0 && !log.status.behind && gate.waiting === 0 && !incoming.busy

  return {
    number,
    doc,
    log,
    session,
    get synced() {
      return synced()
    },
    get waiting() {
      return gate.waiting
    },
    get unwritten() {
      return !edits.isEmpty || writing !== undefined
    },
    whole,
    history: kept.history,
    hold(now) {
      held = now
      if (held) return
      pump()
      void flush()
      changed()
    },
    flush,
    published,
    async whenSynced() {
      while (!synced() && !closed) await news.next()
      return !closed
    },
    async carryOver(earlier) {
      while (!hasBase && !closed) await news.next()
      if (closed) return { count: 0, whole: true }
      const updates = [
        ...joinedUpdates(earlier.own(self), delta => !covers(before ?? new Map(), delta)),
        ...(earlier.local()?.updates ?? []),
      ]
      const whole = again(updates, groundOf(updates, earlier))
      if (await flush()) host.store.transaction(() => earlier.clear())
      return { count: updates.length, whole }
    },
    async close(timeoutMs, how = { flush: true }) {
      const over = new AbortController()
      if (how.flush) await Promise.race([flush(), sleep(host.timers, timeoutMs, over.signal)])
      over.abort()
      kept.keepLocal(client, edits.list())
      const state = published()
      // A generation that is left is kept in pieces: own changes may have to be told from the rest.
      if (state && how.flush && kept.unfolded > 0) host.store.transaction(() => kept.fold(state, self))
      edits.stop()
      closed = true
      news.beat()
      await log.close({ timeoutMs })
    },
  }
}

/** Updates put together from their parts, of the deltas that `counts`; parts of one author follow each other. */
function joinedUpdates(deltas: readonly Gated[], counts: (delta: Gated) => boolean): Uint8Array[] {
  const updates: Uint8Array[] = []
  const open = new Map<string, Uint8Array[]>()
  for (const delta of [...deltas].sort((a, b) => a.n - b.n)) {
    if (!counts(delta)) continue
    const key = `${delta.author}:${delta.session}`
    const pieces = [...(open.get(key) ?? []), delta.bytes]
    open.set(key, delta.more ? pieces : [])
    if (!delta.more) updates.push(concat(pieces))
  }
  return updates
}

const cut = (update: Uint8Array): Uint8Array[] => {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < update.length; at += PART_BYTES) pieces.push(update.subarray(at, at + PART_BYTES))
  return pieces
}

function chunk<T>(list: readonly T[], size: number): T[][] {
  const groups: T[][] = []
  for (let at = 0; at < list.length; at += size) groups.push(list.slice(at, at + size))
  return groups
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
