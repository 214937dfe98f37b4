import type { SharedDoc } from '../sdk/doc/index.ts'
import { type Agent, npubOf, openAgent } from '../sdk/index.ts'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-codes.ts'
import { passphraseOf } from './passphrase.ts'
import { chosenProfile } from './profile.ts'
import type { VerbName } from './verbs/index.ts'

export type DocVerb = Extract<VerbName, `doc ${string}`>

/** Opens the profile of a command about a document, runs it, and leaves nothing behind. */
export async function asMember(
  context: Context<DocVerb>,
  run: (agent: Agent) => Promise<ExitCode>,
  { closeMs = 1_000 } = {},
): Promise<ExitCode> {
  const { options, env } = context
  const { home } = chosenProfile(options, env)
  const passphrase = passphraseOf(context)
  const agent = await openAgent({
    home,
    create: false,
    presence: false,
    announce: false,
    ...(options.relay.length === 0 ? {} : { relays: options.relay }),
    ...(passphrase === undefined ? {} : { passphrase }),
  })
  try {
    return await run(agent)
  } finally {
    await agent.close({ timeoutMs: closeMs })
  }
}

/** What a person calls the keys of a document. */
export function namesOf(agent: Agent): (pubkey: string) => string {
  const known = new Map(agent.contacts.list().map(contact => [contact.pubkey, contact.name]))
  return key => (key === agent.pubkey ? 'you' : known.get(key)) ?? npubOf(key)
}

/** Until enough relays have all that was written. False: it is kept, and told when the agent next reaches them. */
export async function published(shared: SharedDoc, timeoutMs: number): Promise<boolean> {
  if (!(await shared.whenSynced({ timeoutMs }))) return false
  await shared.flush()
  return shared.status.connected
}
