import type { Context } from './context.ts'
import { type Mailbox, openMailbox } from './mailbox.ts'
import { chosenProfile, type ProfileOptions } from './profile.ts'
import type { VerbName } from './verbs.ts'

/** Opens the chosen profile for a verb that leaves the network alone, and closes it whatever happens. */
export async function withMailbox<T>(
  { options, env, timers }: Pick<Context<VerbName>, 'env' | 'timers'> & { readonly options: ProfileOptions },
  use: (mailbox: Mailbox) => T | Promise<T>,
): Promise<T> {
  const { home } = chosenProfile(options, env)
  const mailbox = await openMailbox({ home, relays: undefined, offline: true, timers })
  try {
    return await use(mailbox)
  } finally {
    await mailbox.close()
  }
}
