import { sha256 } from '@noble/hashes/sha2.js'
import * as Y from 'yjs'
import { sleep } from '../../platform/timers.ts'
import { bytesToHex } from '../../protocol/hex.ts'
import { createPulse } from '../notices.ts'
import { type Cover, coveredUpTo, includes, joinCovers } from '../state/log/cover.ts'
import type { Delta, Fork, Log, Snapshot, SnapshotDraft } from '../state/log/types.ts'
import { assemble } from './assembly.ts'
import { isSameContent } from './compact.ts'
import type { Gated } from './gate.ts'
import type { DocHost } from './host.ts'
import type { RefusedDelta } from './incoming.ts'
import { FOLD_AT, type HistoryEntry, type Kept, type KeptState, openKept, type WithheldEntry } from './kept.ts'
import { gatherLocalEdits } from './local-edits.ts'
import { roleIn } from './members/chain.ts'
import type { Control } from './members/control.ts'
import { may } from './members/roles.ts'
import { logOf } from './name.ts'
import { createOutgoing } from './outgoing.ts'
import { type DeltaPayload, deltaCodec, type StatePayload, stateBytes, stateCodec } from './payload.ts'
import { groundOf, sayAgain, unheardIn } from './said-again.ts'
import type { DocSeal } from './secret/seal.ts'
import type { Trial } from './trial.ts'
import type { Withheld } from './withhold.ts'

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
  /** A change takes this machine too long for now. */
  onPostponed(change: RefusedDelta): void
  onFork(fork: Fork): void
  /** Members do not have the same any more: whose doing shows it, and the event that does. */
  onDiverged(seen: { readonly author: string; readonly event: string | undefined }): void
  /** Local changes cannot be written: why. They stay in the document. */
  onUnwritten(reason: string): void
  /** A local element that others would refuse was taken out of the document. */
  onWithheld(withheld: Withheld): void
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
  /** Everything that the relays have is in the document; false while its first state has not come, and while a change of a member is refused. */
  readonly synced: boolean
  readonly waiting: number
  readonly unwritten: boolean
  history(): readonly HistoryEntry[]
  withheld(): readonly WithheldEntry[]
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
  const news = createPulse()
  let ready = false
  let held = false
  let opened = false
  let closed = false

  const assembly = assemble({
    o,
    doc,
    kept,
    startsWithState: base !== undefined,
    trial,
    timers: host.timers,
    onRefused: options.onRefused,
    onPostponed: options.onPostponed,
    onStuck: () => options.onBroken('Yjs holds back a change that all have'),
    onIdle() {
      considerFolding()
      changed()
    },
  })
  const { replica, whole } = assembly

  const log = host.openLog<DeltaPayload, StatePayload>({
    o,
    authors: () => new Set(control().members.flatMap(({ pubkey, role }) => (may(role, 'write') ? [pubkey] : []))),
    delta: deltaCodec(options.seal),
    snapshot: stateCodec(options.seal),
    keepSession: true,
    takeTurns: true,
    onDelta: receive,
    onSnapshot: believe,
    takeSnapshot,
    onChange: changed,
    onFork(fork) {
      assembly.freeze(fork.author, fork.session, fork.n)
      kept.end(fork)
      options.onFork(fork)
      // What is in a state cannot be taken out of it again, and another's state may have the other of the two.
      if (kept.states().some(({ cover }) => coveredUpTo(cover, fork.author, fork.session) >= fork.n))
        options.onDiverged({ author: fork.author, event: undefined })
      if (fork.author === self && fork.session === session) options.onBroken('this key wrote from two places at once')
      else if (coveredUpTo(whole, fork.author, fork.session) >= fork.n)
        options.onBroken('a change that was applied is one of two with the same number')
    },
  })
  assembly.load()
  const session = log.begin()
  const client = assembly.clientOf(self, session)
  doc.clientID = client
  const edits = gatherLocalEdits(doc, host.timers, () => void flush())
  const outgoing = createOutgoing({
    host,
    kept,
    assembly,
    edits,
    log,
    session,
    client,
    control,
    isOpen: () => ready && assembly.hasBase && !held && !closed,
    onUnwritten: options.onUnwritten,
    onWithheld: options.onWithheld,
    onBroken: options.onBroken,
    onWritten: considerFolding,
    onSettled: changed,
  })
  const { flush } = outgoing
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

  function receive({ author, session: of, n, id: event, deps, at, payload }: Delta<DeltaPayload>): void {
    const delta: Gated = { author, session: of, n, id: event, deps, ...payload }
    kept.addDelta(delta, at)
    assembly.receive(delta)
  }

  function believe({ id: event, author, cover, payload }: Snapshot<StatePayload>): boolean {
    const isBase = base !== undefined && bytesToHex(sha256(stateBytes(payload))) === base
    if (!isBase && !may(roleIn(control(), author), 'snapshot')) return false
    if (base !== undefined && payload.before === undefined) return false
    if (!replica.check(payload.state).ok) return false
    const state: KeptState = { ...payload, cover }
    if (contradicts(author, state)) {
      options.onDiverged({ author, event })
      return false
    }
    kept.addState(author, state)
    // Not inside the transaction of the store.
    queueMicrotask(() => assembly.arrive(state))
    return true
  }

  /** It has the same changes in it, by its cover, as what is here or what its author said before, and not the same content. */
  function contradicts(author: string, state: KeptState): boolean {
    const hasSame = (cover: Cover) => includes(state.cover, cover) && includes(cover, state.cover)
    const before = kept.stateBy(author)
    const others = [hasSame(whole) ? published() : undefined, before && hasSame(before.cover) ? before : undefined]
    return others.some(other => other && !isSameContent(state.state, other.state))
  }

  /** Local changes of a process that ended before it could write them: said again under our client id. */
  function takeUpUnwritten(): void {
    const local = kept.local()
    if (!local) return
    sayAgain(doc, client, local.updates, Y.encodeStateAsUpdate(doc))
    outgoing.keep()
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

  function published(): KeptState | undefined {
    const isQuiet = edits.isEmpty && !outgoing.busy && !assembly.busy
    if (!isQuiet || !assembly.hasBase) return undefined
    const { before } = assembly
    return {
      state: Y.encodeStateAsUpdate(doc),
      cover: joinCovers(whole, new Map()),
      ...(before === undefined ? {} : { before }),
    }
  }

  function takeSnapshot(): SnapshotDraft<StatePayload> | undefined {
    if (!may(roleIn(control(), self), 'snapshot')) return undefined
    if (!assembly.hasBase || assembly.busy) return undefined
    const { cover, ...payload } = published() ?? assembly.withoutLocal()
    return { payload, cover, control: control().id }
  }

  const synced = () =>
    ready &&
    assembly.hasBase &&
    !held &&
    !assembly.behind &&
    !assembly.refused &&
    !log.status.behind &&
    assembly.waiting === 0 &&
    !assembly.busy

  return {
    number,
    doc,
    log,
    session,
    get synced() {
      return synced()
    },
    get waiting() {
      return assembly.waiting
    },
    get unwritten() {
      return !edits.isEmpty || outgoing.busy
    },
    history: kept.history,
    withheld: kept.withheld,
    hold(now) {
      held = now
      assembly.hold(now)
      if (held) return
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
      while (!assembly.hasBase && !closed) await news.next()
      if (closed) return { count: 0, whole: true }
      const { before } = assembly
      const updates = unheardIn(earlier, self, before)
      const isWhole = sayAgain(doc, client, updates, groundOf(doc, client, updates, earlier, before))
      host.store.transaction(() => earlier.withheld().forEach(kept.withhold))
      if (await flush()) host.store.transaction(() => earlier.clear())
      return { count: updates.length, whole: isWhole }
    },
    async close(timeoutMs, how = { flush: true }) {
      const over = new AbortController()
      if (how.flush) await Promise.race([flush(), sleep(host.timers, timeoutMs, over.signal)])
      over.abort()
      outgoing.keep()
      const state = published()
      // A generation that is left is kept in pieces: own changes may have to be told from the rest.
      if (state && how.flush && kept.unfolded > 0) host.store.transaction(() => kept.fold(state, self))
      edits.stop()
      closed = true
      assembly.close()
      news.beat()
      await log.close({ timeoutMs })
    },
  }
}
