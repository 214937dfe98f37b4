import { homeContacts } from '../sdk/home/contacts.ts'
import { type Contact, DEFAULT_RELAY, findBeside, type Lookout, openLookout, ProfileError } from '../sdk/index.ts'
import type { CliHost } from './context.ts'
import { CliError, exitCodeOfReason, hintOfReason } from './errors.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Output } from './output.ts'
import { passphraseOf } from './passphrase.ts'
import { chosenProfile, givenRelays, type ProfileOptions } from './profile.ts'
import { authenticateAs } from './relay-client.ts'
import { poll } from './wait.ts'

interface Looking extends Pick<CliHost, 'env' | 'timers' | 'signal' | 'readSecret'> {
  readonly out: Output
  readonly options: ProfileOptions & {
    readonly relay: readonly string[]
    readonly timeout: number
    readonly 'passphrase-file': string | undefined
  }
}

export interface LookingAround {
  readonly lookout: Lookout
  /** The key (64 hex) of who is named so; internet names are looked up. */
  find(who: string): Promise<string>
  readonly contacts: readonly Contact[]
  /** 64 hex; undefined without a profile. */
  readonly self: string | undefined
}

/**
 * Looks at agents from a verb, beside a running agent, too: no home is locked. Once every relay was tried; throws if none was
 * reached. Without a profile at the default relay, as a stranger.
 */
export async function withLookout(
  context: Looking,
  use: (around: LookingAround) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { options, env, timers, signal, out } = context
  const profile = maybeProfile(options, env)
  const contacts = profile === undefined ? [] : homeContacts(profile.home)
  const named = new Map<string, readonly string[]>()
  const lookout = openLookout({
    relays: givenRelays(options.relay) ?? profile?.relays ?? [DEFAULT_RELAY],
    discovery: profile?.discovery,
    contacts,
    hints: pubkey => named.get(pubkey) ?? [],
    ...(profile === undefined ? {} : { authenticate: authenticateAs(options, env, passphraseOf(context)) }),
  })
  try {
    await poll(
      () => (lookout.relays().every(({ isOpen, error }) => isOpen || error !== undefined) ? true : undefined),
      {
        timers,
        signal,
        ms: options.timeout,
      },
    )
    if (!signal.aborted && !lookout.relays().some(({ isOpen }) => isOpen)) throw unreached(lookout)
    const code = await use({
      lookout,
      async find(who) {
        const { pubkey, relays } = await findBeside(profile?.home, who)
        named.set(pubkey, relays)
        return pubkey
      },
      contacts,
      self: profile?.pubkey,
    })
    return code === EXIT.empty ? refusedOr(code, lookout, out) : code
  } finally {
    await lookout.close()
  }
}

function maybeProfile(options: ProfileOptions, env: CliHost['env']) {
  try {
    return chosenProfile(options, env)
  } catch (error) {
    const chosen = options.as !== undefined || options.home !== undefined || env['POSTHORN_HOME'] !== undefined
    if (!chosen && error instanceof ProfileError && error.code === 'profile-missing') return undefined
    throw error
  }
}

/** Nothing was found: because a relay does not answer this key? */
function refusedOr(code: ExitCode, lookout: Lookout, out: Output): ExitCode {
  const found = lookout.relays().find(({ refusal }) => refusal !== undefined)
  if (found?.refusal === undefined) return code
  const error = new CliError('refused', EXIT.refused, `${found.url} refused: ${found.refusal}`)
  out.fail(undefined, error, hintOfReason(found.refusal))
  return EXIT.refused
}

function unreached(lookout: Lookout): CliError {
  const [first] = lookout.relays()
  const why = first?.error ?? 'no answer in time'
  const exit = exitCodeOfReason(why) === EXIT.refused ? EXIT.refused : EXIT.unreachable
  return new CliError('relay-unreachable', exit, `cannot reach ${first?.url ?? 'any relay'}: ${why}`, {
    hint: hintOfReason(why) ?? 'is the relay running, and the address right?',
  })
}
