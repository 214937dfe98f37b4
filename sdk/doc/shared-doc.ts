import * as Y from 'yjs'
import { sleep } from '../../platform/timers.ts'
import { createNotices } from '../notices.ts'
import { npubOf } from '../npub.ts'
import type { Unsent } from '../state/owned/types.ts'
import type { DocAlert, DocEvents, DocMember, DocStatus, SharedDoc } from './api.ts'
import { bridgeAwareness } from './awareness.ts'
import { sizeOf } from './compact.ts'
import { createDeciding } from './deciding.ts'
import { DocError } from './errors.ts'
import { type Generation, openGeneration } from './generation.ts'
import type { DocHost } from './host.ts'
import { openKept } from './kept.ts'
import { openControlBook } from './members/book.ts'
import { roleIn } from './members/chain.ts'
import type { Control } from './members/control.ts'
import type { Role } from './members/roles.ts'
import { type DocName, documentId, labelOf, logOf } from './name.ts'
import { digestOf } from './replica.ts'
import type { DocKey } from './secret/doc-key.ts'
import { createKeyRing } from './secret/key-ring.ts'
import { createDocSeal } from './secret/seal.ts'
import type { Trial } from './trial.ts'

const CLOSE_MS = 5_000

export interface SharedDocOptions {
  readonly host: DocHost
  readonly name: DocName
  readonly trial: Trial | undefined
  /** To be filled; empty. */
  readonly doc: Y.Doc
  /** Make the document if its owner, who this agent is, has none of that name. */
  readonly create: boolean
  readonly isPublic: boolean
  readonly timeoutMs: number
}

/** Resolves once the document can be read from what is kept here or, the first time, from a relay. */
export async function startSharedDoc(options: SharedDocOptions): Promise<SharedDoc> {
  const { host, name, trial } = options
  const { signer, timers } = host
  const self = signer.pubkey
  const id = documentId(name)
  const label = labelOf(name, self)
  const notices = createNotices<DocEvents>()
  const alerts: DocAlert[] = []
  const book = openControlBook(host, id, name.owner, () => void follow())
  const keys = createKeyRing(signer, host.random)
  let generation: Generation | undefined
  /** By session: the members ignore a counter that they have heard, also after a reconnect. */
  const awarenessCounters = new Map<string, { n: number }>()
  let following: Promise<void> = Promise.resolve()
  let lastStatus = ''
  let lastMembers = ''
  let paused = false
  let closing: Promise<void> | undefined
  const deciding = createDeciding({
    host,
    id,
    owner: name.owner,
    label,
    book,
    keys,
    generation: () => generation,
    isClosing: () => closing !== undefined,
    follow,
  })
  const unsent = (): Unsent => ({
    unwritten: generation?.unwritten ? 1 : 0,
    unacknowledged: (generation?.log.status.unacknowledged ?? 0) + book.unacknowledged,
  })
  const takeBack = host.onClosing(ms => close({ timeoutMs: ms }), unsent)

  function alert(what: DocAlert): void {
    if (alerts.some(known => known.code === what.code && known.message === what.message)) return
    alerts.push(what)
    notices.emit('alert', what)
    changed()
  }

  const role = (): Role | undefined => roleIn(book.last, self)

  const keyOf = (number: number) => keys.find(number, book.chain.controls)

  /** One change of generation after the other. */
  function follow(): Promise<void> {
    for (const { author, ids } of book.chain.forks)
      alert({ code: 'control-fork', author, message: `an admin has decided two things at once: ${ids.join(' and ')}` })
    following = following.then(enter).catch(error => {
      alert({ code: 'stuck', message: error instanceof Error ? error.message : String(error) })
    })
    return following
  }

  async function enter(): Promise<void> {
    const { last } = book
    if (!last || closing) return
    if (generation?.number === last.generation) {
      generation.log.refilter()
      changed()
      return
    }
    const isPublic = last.commitment === undefined
    const key = isPublic ? undefined : await keyOf(last.generation)
    if (!isPublic && !key) return changed()
    await move(last, key)
  }

  async function move(last: Control, key: DocKey | undefined, fresh = false): Promise<void> {
    const left = generation
    if (left) await left.close(0, { flush: false })
    const doc = left || fresh ? new Y.Doc({ guid: options.doc.guid }) : options.doc
    const opened = openGeneration({
      host,
      id,
      control: () => (book.last?.generation === last.generation ? book.last : last),
      seal: key && createDocSeal(key),
      doc,
      trial,
      starter: book.chain.controls.find(each => each.generation === last.generation)?.author === self,
      onChange: changed,
      onRefused({ author, n, reason, id: event }) {
        alert({
          code: 'refused',
          author,
          event,
          message: `change ${n} of a session was refused, and what follows it: ${reason}`,
        })
      },
      onPostponed({ author, n, reason, id: event }) {
        alert({
          code: 'slow',
          author,
          event,
          message: `change ${n} of a session, and what follows it, is not in the document yet: ${reason}; it is tried again`,
        })
      },
      onFork({ author, n, reason }) {
        alert({
          code: 'fork',
          author,
          message: `two histories of one session from change ${n} on (${reason}); what is above is not applied`,
        })
      },
      onDiverged({ author, event }) {
        alert({
          code: 'diverged',
          author,
          ...(event === undefined ? {} : { event }),
          message: `members may see different content: ${event === undefined ? 'one of two histories of a session is in a snapshot already' : 'a snapshot has other content than the changes that it names'}; an admin who sees the right one ends it with a new generation, by remove or compact`,
        })
      },
      onUnwritten: message => alert({ code: 'unwritten', message }),
      onWithheld: ({ reason }) =>
        alert({
          code: 'withheld',
          message: `a value was taken out of the document, and is kept in withheld(): ${reason}`,
        }),
      onBroken(message) {
        alert({ code: 'rebuilt', message })
        following = following.then(async () => {
          if (generation !== opened || closing) return
          await move(last, key, true)
        })
      },
    })
    generation = opened
    if (paused) opened.hold(true)
    if (left) notices.emit('replaced', doc)
    if (last.generation > 0) void carryOver(opened, last.generation - 1)
    changed()
  }

  async function carryOver(to: Generation, from: number): Promise<void> {
    const { count, whole } = await to.carryOver(openKept(host.store, logOf(id, from)))
    if (!whole)
      alert({ code: 'lost', message: `some of ${count} own changes stood on what is no part of the document any more` })
  }

  function hold(held: boolean): void {
    paused = held
    generation?.hold(held)
  }

  function changed(): void {
    void book.redate()
    if (notices.has('members')) {
      const now = JSON.stringify(members())
      if (now !== lastMembers) notices.emit('members', members())
      lastMembers = now
    }
    if (!notices.has('status')) return
    const now = JSON.stringify(status())
    if (now !== lastStatus) notices.emit('status', status())
    lastStatus = now
  }

  function status(): DocStatus {
    const log = generation?.log.status
    const mine = role()
    const error = book.refusal ?? log?.error
    // What a relay has is known while it is there.
    const connected = log !== undefined && log.caughtUp > 0 && log.live > 0
    return Object.freeze({
      synced: connected && (generation?.synced ?? false),
      connected,
      behind: log?.behind ?? true,
      generation: generation?.number ?? 0,
      ...(mine === undefined ? {} : { role: mine }),
      public: book.last?.commitment === undefined,
      members: book.last?.members.length ?? 0,
      unwritten: generation?.unwritten ?? false,
      unacknowledged: log?.unacknowledged ?? 0,
      unacknowledgedControls: book.unacknowledged,
      waiting: generation?.waiting ?? 0,
      alerts: Object.freeze([...alerts]),
      ...(error === undefined ? {} : { error }),
    })
  }

  const members = (): readonly DocMember[] =>
    Object.freeze((book.last?.members ?? []).map(({ pubkey, role: each }) => Object.freeze({ pubkey, role: each })))

  /** What is known once a relay, or what is kept here, has told: the document, or that there is none. */
  async function find(): Promise<void> {
    const over = new AbortController()
    const timeout = sleep(timers, options.timeoutMs, over.signal).then(() => over.abort())
    const mayCreate = options.create && name.owner === self
    try {
      while (generation === undefined) {
        await following
        if (generation) return
        if (book.last === undefined && mayCreate && (book.asked || over.signal.aborted)) {
          await deciding.found(options.isPublic)
          continue
        }
        if (over.signal.aborted || (book.askedAll && book.last === undefined))
          throw book.asked ? unknown() : new DocError('doc-unreachable', `no relay has answered for ${label}.`)
        if (book.asked && book.last && !(await readable(book.last)))
          throw new DocError(
            'doc-not-member',
            `this key is no member of ${label}; ask ${npubOf(name.owner)} to be invited.`,
          )
        await Promise.race([book.next(), timeout])
      }
    } finally {
      over.abort()
    }
  }

  const readable = async (last: Control) =>
    last.commitment === undefined || (await keyOf(last.generation)) !== undefined
  const unknown = () => new DocError('doc-unknown', `there is no document ${label} at the relays of this agent.`)

  function close({ timeoutMs = CLOSE_MS } = {}): Promise<void> {
    closing ??= (async () => {
      await following
      await generation?.close(timeoutMs)
      book.close()
      // What is left is told when the agent ends.
      const { unwritten, unacknowledged } = unsent()
      if (unwritten + unacknowledged === 0) takeBack()
    })()
    return closing
  }

  void follow()
  try {
    await find()
  } catch (error) {
    await close({ timeoutMs: 0 })
    throw error
  }
  const current = (): Generation => {
    if (!generation) throw new DocError('doc-closed', `${label} is closed.`)
    return generation
  }

  return {
    id,
    name: label,
    get doc() {
      return current().doc
    },
    get session() {
      return current().session
    },
    get status() {
      return status()
    },
    members,
    history: () => current().history(),
    withheld: () => current().withheld(),
    size: () => sizeOf(Y.encodeStateAsUpdate(current().doc)),
    digest: () => digestOf(current().doc),
    async whenSynced({ timeoutMs = 30_000 } = {}) {
      const over = new AbortController()
      const late = sleep(timers, timeoutMs, over.signal).then(() => false)
      const done = await Promise.race([current().whenSynced(), late])
      over.abort()
      return done
    },
    flush: () => current().flush(),
    pause: () => hold(true),
    resume: () => hold(false),
    joinAwareness(awareness) {
      const { number, session } = current()
      const key = keys.known(number)
      const spoken = awarenessCounters.get(session) ?? { n: 0 }
      awarenessCounters.set(session, spoken)
      const place = { o: logOf(id, number), session, seal: key && createDocSeal(key), spoken }
      return bridgeAwareness({ host, awareness, place, isMember: pubkey => roleIn(book.last, pubkey) !== undefined })
    },
    invite: deciding.invite,
    setRole: deciding.setRole,
    remove: deciding.remove,
    compact: deciding.compact,
    on: notices.on,
    close,
  }
}
