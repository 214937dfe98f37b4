import { type DocAct, DocError, type DocOutcome, docBeside, docWith, type KeptDoc } from '../sdk/doc/index.ts'
import { homeContacts } from '../sdk/home/contacts.ts'
import { npubOf, readProfile } from '../sdk/index.ts'
import type { Context } from './context.ts'
import { CliError, exitCodeOfReason, hintOfReason } from './errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { PATIENCE_MS, tryAgent } from './mailbox.ts'
import { passphraseOf } from './passphrase.ts'
import { chosenProfile } from './profile.ts'
import type { VerbName } from './verbs/index.ts'

export type DocVerb = Extract<VerbName, `doc ${string}`>

/** What became of an act, and the document as it is kept after it. */
export interface Acted {
  readonly outcome: DocOutcome
  readonly kept: KeptDoc
  /** What a person calls a key. */
  nameOf(pubkey: string): string
}

/** Does it with the profile's agent, this process or one that runs already, and shows what has become of it. */
export async function withDocument(
  context: Context<DocVerb>,
  act: DocAct,
  show: (acted: Acted) => ExitCode,
): Promise<ExitCode> {
  const { operands, options, out, env, timers } = context
  const [id = ''] = operands
  const { home } = chosenProfile(options, env)
  const { timeout: timeoutMs } = options
  const relays = options.relay.length === 0 ? undefined : options.relay
  const passphrase = passphraseOf(context)
  const agent = await tryAgent({ home, relays, passphrase, timers, announce: false }, PATIENCE_MS)
  const document = agent ? docWith(agent, id) : docBeside(home, id)
  try {
    const outcome = await document.ask(act, { timeoutMs }).catch(error => unanswered(error, act))
    const kept = await document.read()
    if (!kept) throw new DocError('doc-unreachable', `nothing of ${id} is kept here yet.`)
    if (!agent && act.do !== 'look') out.say('done by the running agent')
    return show({ outcome, kept, nameOf: namesOf(home) })
  } finally {
    await agent?.close({ timeoutMs: act.do === 'look' ? 1_000 : timeoutMs })
  }
}

/** An agent that is busy with something else: what it keeps can be looked at all the same. */
function unanswered(error: unknown, act: DocAct): DocOutcome {
  if (act.do !== 'look' || !(error instanceof DocError) || error.code !== 'doc-not-done') throw error
  return { synced: false, published: false, created: false, before: { members: [], bytes: 0 } }
}

function namesOf(home: string): (pubkey: string) => string {
  const { pubkey } = readProfile(home)
  const known = new Map(homeContacts(home).map(contact => [contact.pubkey, contact.name]))
  return key => (key === pubkey ? 'you' : known.get(key)) ?? npubOf(key)
}

const KEPT = 'it is kept here, and goes out when a document of this profile is next opened'

/** The exit code of an act by whether a relay has it; says why not. */
export function exitOfAct({ out }: Context<DocVerb>, { published, reason }: DocOutcome): ExitCode {
  if (published) return EXIT.ok
  if (reason === undefined) {
    out.say(`no relay has taken it in time: ${KEPT}`)
    return EXIT.unreachable
  }
  const error = new CliError('refused', exitCodeOfReason(reason), `no relay has taken it: ${reason}`)
  out.fail('doc', error, hintOfReason(reason))
  out.say(KEPT)
  return error.exit
}
