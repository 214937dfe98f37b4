import { seconds } from '../../platform/clock.ts'
import { randomHex } from '../../platform/random.ts'
import type { Cancel } from '../../platform/timers.ts'
import type { NostrEvent } from '../../protocol/event.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import type { Host } from '../api.ts'
import { SignerError } from '../errors.ts'
import type { LocalSigner } from '../identity/local-signer.ts'
import type { Line } from '../link/line.ts'
import type { SignerAddress } from './bunker-url.ts'
import { openEnds, REMOTE_SIGNING } from './ends.ts'
import { createVainBudget } from './vain-budget.ts'

/** A person has so long to open a page and agree, ms. */
const CONSENT_MS = 300_000
const MAX_TOLD = 200
/** The longest answer: a text of 64 KiB that was opened, as JSON, sealed, in base64. */
const MAX_ANSWER_CHARS = 256 * 1024

export interface SessionOptions {
  readonly host: Host
  readonly bunker: SignerAddress
  /** The key that this end is known by to the signer. */
  readonly client: LocalSigner
  readonly timeoutMs: number
  readonly onAuthUrl: ((url: string) => void) | undefined
}

/** Questions to a remote signer, over every relay of its token at once. */
export interface Session {
  /** Rejects with {@link SignerError}. Asked again on each new connection until it is answered or the time is over. */
  call(method: string, params: readonly string[]): Promise<string>
  close(): Promise<void>
}

interface Pending {
  send(line: Line): Promise<void>
  /** Starts the wait anew. */
  wait(ms: number): void
  settle(result: string | SignerError): void
  told: boolean
}

export function createSession({ host, bunker, client, timeoutMs, onAuthUrl }: SessionOptions): Session {
  const { clock, timers, random } = host
  const pending = new Map<string, Pending>()
  const vain = createVainBudget(clock)
  let refusal = ''
  let closed = false

  const ends = openEnds({
    host,
    relays: bunker.relays,
    client,
    author: bunker.pubkey,
    onEvent: hear,
    onOpen(line) {
      for (const each of pending.values()) void each.send(line)
    },
    onDown(reason) {
      refusal = reason
    },
  })

  function hear(event: NostrEvent): void {
    // Opening costs as much as its text is long. Nothing is opened that cannot be an answer.
    if (pending.size === 0 || event.content.length > MAX_ANSWER_CHARS || !vain.mayOpen()) return
    const answer = readAnswer(client, event)
    const waiting = answer && pending.get(answer.id)
    if (!waiting) {
      vain.spend(event.content.length)
      return
    }
    const { result, error } = answer
    if (result === 'auth_url') askPerson(waiting, error)
    else if (error !== '')
      waiting.settle(new SignerError('signer-refused', `the remote signer refused: ${error.slice(0, MAX_TOLD)}`))
    else waiting.settle(result ?? new SignerError('signer-malformed', 'the remote signer answered without a result.'))
  }

  function askPerson(waiting: Pending, text: string): void {
    if (waiting.told) return
    // As the parser writes it: what would steer a terminal is percent-encoded.
    const { protocol, href: url } = URL.canParse(text) ? new URL(text) : { protocol: '', href: '' }
    if (!['https:', 'http:'].includes(protocol))
      waiting.settle(new SignerError('signer-malformed', 'the remote signer wants a person to open what is no page.'))
    else if (!onAuthUrl)
      waiting.settle(
        new SignerError('signer-refused', `the remote signer wants a person to agree at ${url}; give onAuthUrl.`),
      )
    else {
      waiting.told = true
      waiting.wait(CONSENT_MS)
      onAuthUrl(url)
    }
  }

  return {
    call(method, params) {
      return new Promise((resolve, reject) => {
        if (closed) throw new SignerError('signer-unreachable', 'the remote signer was closed.')
        const id = randomHex(random, 32)
        const request = JSON.stringify({ id, method, params })
        let cancel: Cancel = () => {}
        const each: Pending = {
          told: false,
          async send(line) {
            // Sealed anew for each: a relay keeps no second copy of an event it knows.
            const content = client.encrypt(request, bunker.pubkey)
            const template = { kind: REMOTE_SIGNING, created_at: seconds(clock), tags: [['p', bunker.pubkey]], content }
            const { accepted, message } = await line.publish(client.sign(template))
            if (accepted === false) refusal = message
          },
          wait(ms) {
            cancel()
            cancel = timers.after(ms, () => {
              const why = refusal === '' ? '' : `; last heard of its relays: ${refusal.slice(0, MAX_TOLD)}`
              each.settle(new SignerError('signer-unreachable', `no answer of the remote signer within ${ms} ms${why}`))
            })
          },
          settle(result) {
            cancel()
            pending.delete(id)
            if (typeof result === 'string') resolve(result)
            else reject(result)
          },
        }
        pending.set(id, each)
        each.wait(timeoutMs)
        for (const line of ends.lines) if (line.isOpen) each.send(line).catch(reject)
      })
    },
    async close() {
      closed = true
      for (const each of [...pending.values()])
        each.settle(new SignerError('signer-unreachable', 'the remote signer was closed.'))
      await ends.close()
    },
  }
}

/** Undefined: not sealed for this session, or no answer. */
export function readAnswer(
  client: LocalSigner,
  event: NostrEvent,
): { readonly id: string; readonly result: string | undefined; readonly error: string } | undefined {
  try {
    const json = parseJson(client.decrypt(event.content, event.pubkey))
    if (!json.ok || !isRecord(json.value)) return undefined
    const [id, result, error] = ['id', 'result', 'error'].map(field =>
      own(json.value as Record<string, unknown>, field),
    )
    if (typeof id !== 'string') return undefined
    return {
      id,
      result: typeof result === 'string' ? result : undefined,
      error: typeof error === 'string' ? error : '',
    }
  } catch {
    return undefined
  }
}
