import { randomHex } from '../../platform/random.ts'
import type { Host } from '../api.ts'
import { SignerError } from '../errors.ts'
import type { LocalSigner } from '../identity/local-signer.ts'
import { ownRelays } from '../relay-url.ts'
import type { SignerAddress } from './bunker-url.ts'
import { openEnds } from './ends.ts'
import { readAnswer } from './session.ts'
import { createVainBudget } from './vain-budget.ts'

const MAX_TOLD = 200

/** An answer that carries the secret, sealed. */
const MAX_SECRET_CHARS = 2_048

/** A connection that is offered to whichever signer the user takes the text to (`nostrconnect://`). */
export interface SignerOffer {
  /** Where both meet: the signer has to reach them, too. */
  readonly relays: readonly string[]
  /** What the signer shows its user. */
  readonly name?: string
  /** Called once, with the text to show, as it is or as a QR code. It holds a secret: whoever answers with it becomes the signer. */
  onUrl(url: string): void
}

export interface OfferOptions extends SignerOffer {
  readonly host: Host
  readonly client: LocalSigner
  readonly permissions: readonly string[]
  readonly timeoutMs: number
}

/** Shows the text and waits for a signer that answers with its secret. Rejects with {@link SignerError}. */
export function offerConnection(options: OfferOptions): Promise<SignerAddress> {
  const { host, client, timeoutMs } = options
  const relays = ownRelays(options.relays)
  const secret = randomHex(host.random, 32)
  const vain = createVainBudget(host.clock)
  let refusal = ''
  let isShown = false
  return new Promise((resolve, reject) => {
    const end = () => {
      cancel()
      void ends.close()
    }
    const cancel = host.timers.after(timeoutMs, () => {
      end()
      const why = refusal === '' ? '' : `; last heard of its relays: ${refusal.slice(0, MAX_TOLD)}`
      reject(new SignerError('signer-unreachable', `no signer took the connection within ${timeoutMs} ms${why}`))
    })
    const ends = openEnds({
      host,
      relays,
      client,
      onEvent(event) {
        // Anybody may write to us; only who read the text knows the secret.
        if (event.content.length > MAX_SECRET_CHARS || !vain.mayOpen()) return
        if (readAnswer(client, event)?.result !== secret) return vain.spend(event.content.length)
        end()
        resolve({ pubkey: event.pubkey, relays })
      },
      // Not before somebody listens: an answer that is missed does not come again.
      onOpen() {
        if (isShown) return
        isShown = true
        options.onUrl(textOf(options, relays, secret))
      },
      onDown(reason) {
        refusal = reason
      },
    })
  })
}

function textOf({ client, permissions, name }: OfferOptions, relays: readonly string[], secret: string): string {
  const query = new URLSearchParams([
    ...relays.map(url => ['relay', url]),
    ['secret', secret],
    ...(permissions.length > 0 ? [['perms', permissions.join(',')]] : []),
    ...(name === undefined ? [] : [['name', name]]),
  ])
  return `nostrconnect://${client.pubkey}?${query}`
}
