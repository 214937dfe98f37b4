import type {
  Agent,
  AgentContacts,
  Delivery,
  HealthFacts,
  InboxEntry,
  InboxQuery,
  MailStatus,
  Mark,
  PresenceStatus,
  RelayAnswer,
  SendOptions,
  SentEntry,
  StateBeside,
} from '../sdk/index.ts'

/** The mail of a profile as tools use it, whoever holds the home: an agent of this process, or one that it reads beside. */
export interface Mailbox {
  /** Undefined while another program runs the agent of this home. */
  readonly agent: Agent | undefined
  inbox(query: InboxQuery): InboxEntry[]
  /** By full id or a prefix of at least 8 characters; marks it read. */
  read(id: string): InboxEntry | undefined
  send(to: string, text: string, options: SendOptions): Promise<string>
  delivery(id: string): Delivery | undefined
  sent(id: string): SentEntry | undefined
  /** Undefined if there is no such message. */
  mark(id: string, mark: Mark, reason: string | undefined): Promise<object | undefined>
  /** Resolves with the relays' answers; undefined: handed to the running agent. */
  setPresence(status: PresenceStatus): Promise<readonly RelayAnswer[] | undefined>
  counts(): MailStatus
  /** What `whoami` and `check_inbox` judge by: the same record as the command line's. */
  facts(): HealthFacts
  /** The own state as long as `agent` is undefined: read from the home, and written by the program that runs the agent. */
  readonly stateBeside?: () => StateBeside
  readonly contacts: Pick<AgentContacts, 'list'>
}

/** The mailbox of an agent of this process. */
export const agentMailbox = (agent: Agent): Mailbox => ({
  agent,
  inbox: query => agent.inbox(query),
  read: id => agent.read(id),
  send: (to, text, options) => agent.send(to, text, options),
  delivery: id => agent.delivery(id),
  sent: id => agent.sent(id),
  async mark(prefix, mark, reason) {
    const id = agent.read(prefix)?.id
    return id === undefined ? undefined : { id, receipt: await agent.mark(id, mark, reason) }
  },
  setPresence: status => agent.presence.set(status),
  counts: () => agent.status(),
  facts: () => agent.status(),
  contacts: agent.contacts,
})
