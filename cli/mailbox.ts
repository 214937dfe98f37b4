import type { Dial } from '../platform/socket.ts'
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
  /** Leave the network alone. */
  readonly offline?: boolean
}

export async function openMailbox({ home, relay, offline = false }: MailboxOptions): Promise<Mailbox> {
  try {
    return ofAgent(
      await openAgent({
        home,
        create: false,
        ...(relay === undefined ? {} : { relays: [relay] }),
        ...(offline ? { host: { dial: noDial } } : {}),
      }),
    )
  } catch (error) {
    if (error instanceof HomeInUseError) return besideAgent(readHome(home))
    throw error
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

const besideAgent = (view: HomeView): Mailbox => ({
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
