import type { Dial } from '../platform/socket.ts'
import { every, sleep, type Timers } from '../platform/timers.ts'
import {
  type Agent,
  type AgentStatus,
  type Delivery,
  HomeInUseError,
  type HomeView,
  handOver,
  handOverRead,
  type InboxEntry,
  type InboxQuery,
  openAgent,
  readHome,
  type SendOptions,
} from '../sdk/index.ts'

/**
 * The mail of a profile as verbs use it, whoever holds the home: this process as its agent, or a running agent
 * that this process reads beside and hands its writes to.
 */
export interface Mailbox {
  /** Undefined beside a running agent, which keeps itself caught up. */
  readonly agent: Agent | undefined
  inbox(query: InboxQuery): InboxEntry[]
  /** Marks it read. */
  read(id: string): InboxEntry | undefined
  send(to: string, text: string, options: SendOptions): Promise<string>
  delivery(id: string): Delivery | undefined
  counts(): Omit<AgentStatus, 'relays'>
  close(): Promise<void>
}

export interface MailboxOptions {
  readonly home: string
  readonly relay: string | undefined
  readonly timers: Timers
  /** Leave the network alone. */
  readonly offline?: boolean
  /** Wait so long (ms) for another verb to let go of the home before taking its holder for a running agent. */
  readonly patienceMs?: number
}

/** Longer than a verb that only sends or lists; shorter than a person notices. */
export const PATIENCE_MS = 1_000
const TRY_AGAIN_MS = 100
const TAKE_OVER_MS = 500

export async function openMailbox(options: MailboxOptions): Promise<Mailbox> {
  const agent = await tryAgent(options, options.patienceMs ?? 0)
  return agent === undefined ? besideAgent(options) : ofAgent(agent)
}

/** Undefined while another process holds the home. */
async function tryAgent(options: MailboxOptions, patienceMs: number): Promise<Agent | undefined> {
  const { home, relay, offline, timers } = options
  for (let waited = 0; ; waited += TRY_AGAIN_MS) {
    try {
      return await openAgent({
        home,
        create: false,
        ...(relay === undefined ? {} : { relays: [relay] }),
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
  counts: () => agent.status(),
  // What was not sent is in the outbox and said by the verb; waiting here would only be felt.
  close: async () => {
    await agent.close({ timeoutMs: 0 })
  },
})

/** Reads beside the holder, and takes its place should it end while this verb still waits for something. */
function besideAgent(options: MailboxOptions): Mailbox {
  let inner = ofView(readHome(options.home))
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
    counts: () => inner.counts(),
    async close() {
      if (closed) return
      closed = true
      cancel()
      await attempt
      await inner.close()
    },
  }
}

const ofView = (view: HomeView): Mailbox => ({
  agent: undefined,
  inbox: query => view.inbox(query),
  read: id => {
    const entry = view.find(id)
    if (entry !== undefined && !entry.read) handOverRead(view.profile.home, entry.id)
    return entry
  },
  send: (to, text, options) => handOver(view.profile.home, to, text, options),
  delivery: id => view.delivery(id),
  counts: () => view.status(),
  close: async () => view.close(),
})

/** A network that is not there. */
const noDial: Dial = (_url, events) => {
  queueMicrotask(() => events.onClose(1006, 'offline'))
  return { send() {}, close() {}, terminate() {}, unsentBytes: 0 }
}
