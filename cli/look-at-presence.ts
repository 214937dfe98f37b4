import { onAbort } from '../platform/on-abort.ts'
import type { Lookout, Presence } from '../sdk/index.ts'
import type { CliHost } from './context.ts'

/** Asks the relays once, until each has told what it has or the time is over. */
export function currentPresence(
  lookout: Lookout,
  pubkeys: readonly string[],
  { timers, signal, options }: Pick<CliHost, 'timers' | 'signal'> & { readonly options: { readonly timeout: number } },
): Promise<(pubkey: string) => Presence | undefined> {
  if (pubkeys.length === 0) return Promise.resolve(() => undefined)
  return new Promise(resolve => {
    const end = () => {
      cancel()
      stopListening()
      const found = new Map(pubkeys.map(pubkey => [pubkey, observation.get(pubkey)]))
      observation.stop()
      resolve(pubkey => found.get(pubkey))
    }
    const cancel = timers.after(options.timeout, end)
    const stopListening = onAbort(signal, end)
    const observation = lookout.observe(
      pubkeys,
      () => {},
      () => {
        if (observation.isTold) end()
      },
    )
  })
}
