import { type Clock, seconds } from '../../platform/clock.ts'
import type { Timers } from '../../platform/timers.ts'
import { tagValue } from '../../protocol/event.ts'
import { INVITE, JOIN_REQUEST } from '../../protocol/kinds.ts'
import { RelayRefusedError, RelayUnreachableError } from '../errors.ts'
import type { Signer } from '../identity/signer.ts'
import type { RelayClient } from '../link/client.ts'
import { type Connect, type ConnectOptions, createConnect } from '../link/connect.ts'
import type { InvitesOptions } from './index.ts'

export interface RelayDoor {
  readonly signer: Pick<Signer, 'sign'>
  readonly clock: Clock
  readonly timers: Timers
  readonly connect: Connect
  /** For the connection, and for each answer; default 10,000 ms. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 10_000

/** This agent, as an invite and its acceptance name it. */
export const inviterOf = ({ name, signer, clock, random, relays }: InvitesOptions) => ({
  pubkey: signer.pubkey,
  name,
  relays: relays(),
  clock,
  random,
})

/** How this agent speaks to a relay for members. */
export const doorOf = (options: InvitesOptions): RelayDoor => ({
  signer: options.signer,
  clock: options.clock,
  timers: options.timers,
  connect: createConnect(options),
})

/** A code with which one key may join a relay for members (NIP-43), asked for as one of its owners. Throws RelayUnreachableError, RelayRefusedError. */
export const requestRelayCode = (url: string, door: RelayDoor): Promise<string> =>
  withRelay(url, door, client =>
    new Promise<string | undefined>((resolve, reject) => {
      const { timers, timeoutMs = TIMEOUT_MS } = door
      const cancel = timers.after(timeoutMs, () => reject(new RelayUnreachableError(url, 'it does not answer')))
      const end = (then: () => void) => {
        cancel()
        then()
      }
      client.request([{ kinds: [INVITE] }], {
        onEvent: event => end(() => resolve(tagValue(event, 'claim'))),
        onEose: () => end(() => resolve(undefined)),
        onClosed: reason => end(() => reject(new RelayRefusedError(url, reason))),
      })
    }).then(code => {
      if (code === undefined) throw new RelayRefusedError(url, 'unsupported: it gives out no codes (NIP-43)')
      return code
    }),
  )

/** Joins a relay with a code it gave out. To be a member already is as good. Throws RelayUnreachableError, RelayRefusedError. */
export const joinRelay = (url: string, claim: string, door: RelayDoor): Promise<void> =>
  withRelay(url, door, async client => {
    const tags = [['-'], ['claim', claim]] as [string, ...string[]][]
    const request = await door.signer.sign({ kind: JOIN_REQUEST, created_at: seconds(door.clock), tags, content: '' })
    const { accepted, message } = await client.publish(request)
    if (!accepted && !message.startsWith('duplicate:')) throw new RelayRefusedError(url, message)
  })

async function withRelay<T>(url: string, door: RelayDoor, use: (client: RelayClient) => Promise<T>): Promise<T> {
  const { signer, connect, timeoutMs = TIMEOUT_MS } = door
  const options: ConnectOptions = { authenticate: template => signer.sign(template), timeoutMs }
  const client = await connect(url, options)
  try {
    return await use(client)
  } finally {
    await client.close()
  }
}
