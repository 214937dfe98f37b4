import type { Dial } from '../platform/socket.ts'
import { every, sleep, type Timers } from '../platform/timers.ts'
import {
  type Agent,
  type AgentContacts,
  type AgentInvites,
  contactsBeside,
  type Delivery,
  HomeInUseError,
  type HomeView,
  handOver,
  handOverMark,
  handOverRead,
  type InboxEntry,
  type InboxQuery,
  invitesBeside,
  type MailStatus,
  type Mark,
  openAgent,
  readHome,
  type SendOptions,
  type SentEntry,
  type Stranger,
  type SyncSummary,
  toldBeside,
} from '../sdk/index.ts'
import { errorCode, exitCodeOfReason, messageOf } from './errors.ts'
import { EXIT } from './exit-codes.ts'
import { poll, within } from './wait.ts'

/**
 * The mail of a profile as verbs use it, whoever holds the home: this process as its agent, or a running agent
 * that this process reads beside and hands its writes to.
 */
export interface Mailbox {
  /** Undefined beside a running agent, which keeps itself caught up, and where the home cannot be written. */
  readonly agent: Agent | undefined
  /** Why the home can only be read: the disk is full, say. No agent is running then. */
  readonly unwritable?: string | undefined
  inbox(query: InboxQuery): InboxEntry[]
  /** Marks it read. */
  read(id: string): InboxEntry | undefined
  send(to: string, text: string, options: SendOptions): Promise<string>
  delivery(id: string): Delivery | undefined
  /** A sent message, by id or prefix. */
  sent(id: string): SentEntry | undefined
  /** Undefined if there is no such message. `receipt`: the id of what tells its sender. */
  mark(id: string, mark: Mark, reason: string | undefined): Promise<Marked | undefined>
  /** Messages given up, both ways. */
  deadLetters(): number
  counts(): MailStatus
  readonly contacts: AgentContacts
  readonly invites: AgentInvites
  /** Senders that are or were strangers. */
  strangers(): readonly Stranger[]
  close(): Promise<void>
}

export interface Marked {
  readonly id: string
  readonly receipt?: string | undefined
  /** The running agent does it. */
  readonly isHandedOver: boolean
}

export interface MailboxOptions {
  readonly home: string
  /** Undefined: the profile's. */
  readonly relays: readonly string[] | undefined
  /** Asked if the profile's key is encrypted. */
  readonly passphrase: () => Promise<string>
  readonly timers: Timers
  /** Leave the network alone. */
  readonly offline?: boolean
  /** Tell others that this agent is there. Default false: a verb comes and goes, whether the agent is there is not for it to say. */
  readonly presence?: boolean
  /** Publish the relay lists. Default: where the agent is at its profile's own relays, or stays there with `presence`. */
  readonly announce?: boolean
  /** The verb only reads: it makes do with a home that cannot be written. Default false. */
  readonly reads?: boolean
  /** Wait so long (ms) for another verb to let go of the home before taking its holder for a running agent. */
  readonly patienceMs?: number
}

/** Longer than a verb that only sends or lists; shorter than a person notices. */
export const PATIENCE_MS = 1_000
const TRY_AGAIN_MS = 100
const TAKE_OVER_MS = 500
const READ_ATTEMPTS = 10
/** How long a verb that reached the relay waits for its OK to mail queued before, in ms. */
const FLUSH_MS = 1_000

export async function openMailbox(options: MailboxOptions): Promise<Mailbox> {
  for (let attempt = 1; ; attempt++) {
    let agent: Agent | undefined
    try {
      agent = await tryAgent(options, options.patienceMs ?? 0)
    } catch (error) {
      const view = options.reads && isUnwritable(error) ? viewOf(options.home) : undefined
      if (view === undefined) throw error
      return unwritable(view, options.passphrase, messageOf(error))
    }
    if (agent !== undefined) return ofAgent(agent)
    try {
      return besideAgent(options)
    } catch (error) {
      // While its holder makes it, a home has a database without tables.
      if (attempt >= READ_ATTEMPTS) throw error
    }
    await sleep(options.timers, TRY_AGAIN_MS)
  }
}

/** The home as it is, read alone. What was read is not marked as such. */
const unwritable = (view: HomeView, passphrase: () => Promise<string>, why: string): Mailbox => ({
  ...ofView(view, passphrase),
  unwritable: why,
  read: id => view.find(id),
})

/** Undefined: it cannot be read either. */
function viewOf(home: string): HomeView | undefined {
  try {
    return readHome(home)
  } catch {
    return undefined
  }
}

/** The disk is full or read-only. Files of another user are an error in every verb, which names them. */
function isUnwritable(error: unknown): boolean {
  const code = errorCode(error)
  return UNWRITABLE.includes(code) || /^SQLITE_(FULL|IOERR)/.test(code)
}
const UNWRITABLE: readonly string[] = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO']

/** Undefined while another process holds the home. */
export async function tryAgent(options: MailboxOptions, patienceMs: number): Promise<Agent | undefined> {
  const { home, relays, offline, passphrase, timers } = options
  for (let waited = 0; ; waited += TRY_AGAIN_MS) {
    try {
      return await openAgent({
        home,
        create: false,
        passphrase,
        presence: options.presence ?? false,
        announce: options.announce ?? (relays === undefined || options.presence === true),
        ...(relays === undefined ? {} : { relays }),
        ...(offline ? { host: { dial: noDial } } : {}),
      })
    } catch (error) {
      if (!(error instanceof HomeInUseError)) throw error
    }
    if (waited >= patienceMs) return undefined
    await sleep(timers, TRY_AGAIN_MS)
  }
}

const ofAgent = (agent: Agent): Mailbox => ({
  agent,
  inbox: query => agent.inbox(query),
  read: id => agent.read(id),
  send: (to, text, options) => agent.send(to, text, options),
  delivery: id => agent.delivery(id),
  sent: id => agent.sent(id),
  async mark(prefix, mark, reason) {
    const id = agent.read(prefix)?.id
    return id === undefined ? undefined : { id, receipt: await agent.mark(id, mark, reason), isHandedOver: false }
  },
  deadLetters: () => agent.deadLetters.list().length,
  counts: () => agent.status(),
  contacts: agent.contacts,
  invites: agent.invites,
  strangers: () => agent.requests.list(),
  async close() {
    // With no relay in reach there is nothing to wait for: what is queued is on disk.
    const reachable = agent.status().relays.some(relay => relay.state !== 'offline')
    await agent.close({ timeoutMs: reachable ? FLUSH_MS : 0 })
  },
})

/** Reads beside the holder, and takes its place should it end while this verb still waits for something. */
function besideAgent(options: MailboxOptions): Mailbox {
  let inner = ofView(readHome(options.home), options.passphrase)
  let closed = false
  let attempt: Promise<void> | undefined
  const cancel = every(options.timers, TAKE_OVER_MS, () => {
    attempt ??= takeOver().finally(() => {
      attempt = undefined
    })
  })
  async function takeOver(): Promise<void> {
    // A home that cannot be opened just now is tried again; reading goes on.
    const agent = await tryAgent(options, 0).catch(() => undefined)
    if (agent === undefined) return
    cancel()
    const before = inner
    inner = ofAgent(agent)
    await before.close()
  }
  return {
    get agent() {
      return inner.agent
    },
    inbox: query => inner.inbox(query),
    read: id => inner.read(id),
    send: (to, text, sendOptions) => inner.send(to, text, sendOptions),
    delivery: id => inner.delivery(id),
    sent: id => inner.sent(id),
    mark: (id, mark, reason) => inner.mark(id, mark, reason),
    deadLetters: () => inner.deadLetters(),
    counts: () => inner.counts(),
    get contacts() {
      return inner.contacts
    },
    get invites() {
      return inner.invites
    },
    strangers: () => inner.strangers(),
    async close() {
      if (closed) return
      closed = true
      cancel()
      await attempt
      await inner.close()
    },
  }
}

const ofView = (view: HomeView, passphrase: () => Promise<string>): Mailbox => ({
  agent: undefined,
  inbox: query => view.inbox(query),
  read: id => {
    const entry = view.find(id)
    if (entry !== undefined && !entry.read) handOverRead(view.profile.home, entry.id)
    return entry
  },
  send: (to, text, options) => handOver(view.profile.home, to, text, { ...options, key: { passphrase } }),
  delivery: id => view.delivery(id) ?? toldBeside(view.profile.home, id),
  sent: id => view.sent(id),
  async mark(prefix, mark, reason) {
    const id = view.find(prefix)?.id
    if (id === undefined) return undefined
    handOverMark(view.profile.home, id, mark, reason)
    return { id, isHandedOver: true }
  },
  deadLetters: () => view.deadLetters(),
  counts: () => view.status(),
  contacts: contactsBeside(view.profile.home),
  invites: invitesBeside(view.profile.home, { passphrase }),
  strangers: () => view.strangers(),
  close: async () => view.close(),
})

/** Every relay was tried and none let us in: known at once, while trying again goes on in the background. */
export const isUnreachable = ({ agent }: Pick<Mailbox, 'agent'>): boolean =>
  agent?.status().relays.every(relay => relay.state === 'offline' && relay.error !== undefined) ?? false

/** A relay's reason, if it is there but does not serve this key, or not without an AUTH that failed, and no other relay does. */
export function refusalOf({ agent }: Pick<Mailbox, 'agent'>): string | undefined {
  const relays = agent?.status().relays.filter(({ state }) => state !== 'offline') ?? []
  if (relays.some(({ state, error }) => state === 'live' && error === undefined)) return undefined
  return relays.map(({ error }) => error ?? '').find(error => exitCodeOfReason(error) === EXIT.refused)
}

/** A relay that was caught up with as far as it gives, and why it may have more. */
export const partialOf = (summary: SyncSummary | undefined): string | undefined => {
  const found = summary?.relays.find(({ partial }) => partial !== undefined)
  return found && `${found.relay} may have more: ${found.partial}`
}

/** Catches up for at most `ms`, but gives up as soon as no relay is found reachable. Undefined: interrupted, or no agent here. */
export async function fetchMail(
  mailbox: Pick<Mailbox, 'agent' | 'counts'>,
  { timers, signal, ms }: { readonly timers: Timers; readonly signal: AbortSignal; readonly ms: number },
): Promise<SyncSummary | undefined> {
  const { agent } = mailbox
  if (agent === undefined) return undefined
  const over = new AbortController()
  const stop = AbortSignal.any([signal, over.signal])
  const foundDown = poll(() => isUnreachable(mailbox) || undefined, { timers, signal: stop, ms })
  try {
    const synced = within(agent.sync({ maxMs: ms }), { timers, signal, ms })
    const summary = await Promise.race([synced, foundDown.then(down => (down ? agent.sync({ maxMs: 1 }) : synced))])
    if (summary?.status === 'live') await flushed(mailbox, { timers, signal })
    return summary
  } finally {
    over.abort()
  }
}

/** Mail queued earlier goes out beside the catch-up; its OK may take a moment longer. */
export const flushed = (
  mailbox: Pick<Mailbox, 'counts'>,
  { timers, signal }: { readonly timers: Timers; readonly signal: AbortSignal },
): Promise<true | undefined> => poll(() => mailbox.counts().queue === 0 || undefined, { timers, signal, ms: FLUSH_MS })

/** A network that is not there. */
const noDial: Dial = (_url, events) => {
  queueMicrotask(() => events.onClose(1006, 'offline'))
  return { send() {}, close() {}, terminate() {}, unsentBytes: 0 }
}
