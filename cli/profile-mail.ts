import type { CliHost } from './context.ts'
import { type Mailbox, openMailbox } from './mailbox.ts'
import { passphraseOf } from './passphrase.ts'
import { chosenProfile, type ProfileOptions } from './profile.ts'

/** Opens the chosen profile for a verb that leaves the network alone, and closes it whatever happens. `reads`: nothing is changed. */
export async function withMailbox<T>(
  context: Pick<CliHost, 'env' | 'timers' | 'readSecret'> & {
    readonly options: ProfileOptions & { readonly 'passphrase-file': string | undefined }
  },
  use: (mailbox: Mailbox) => T | Promise<T>,
  { reads = false }: { readonly reads?: boolean } = {},
): Promise<T> {
  const { options, env, timers } = context
  const { home } = chosenProfile(options, env)
  const mailbox = await openMailbox({
    home,
    relays: undefined,
    offline: true,
    timers,
    reads,
    passphrase: passphraseOf(context),
  })
  try {
    return await use(mailbox)
  } finally {
    await mailbox.close()
  }
}
