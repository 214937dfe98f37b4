import { seconds } from '../../platform/clock.ts'
import { loadDriver } from '../../platform/sqlite-driver.ts'
import { loadTier } from '../../platform/verifier-tier.ts'
import { allWell, npubOf, type Profile } from '../../sdk/index.ts'
import type { Command } from '../context.ts'
import type { Finding, Level } from '../doctor/finding.ts'
import { lookAtCopies, lookAtFiles, lookAtKey, lookAtSpool, lookAtWaiting, openHome } from '../doctor/home.ts'
import { visitDiscovery, visitRelay } from '../doctor/relay.ts'
import { lookAtWake } from '../doctor/wake.ts'
import { explain, messageOf } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import type { Output, Paint } from '../output.ts'
import { passphraseOf } from '../passphrase.ts'
import { chosenProfile, givenRelays } from '../profile.ts'
import { connectAs } from '../relay-client.ts'
import { escapeText } from '../text.ts'

/** `posthorn doctor`: looks at everything that mail needs, changes nothing. */
export const doctor: Command<'doctor'> = async context => {
  const { out } = context
  const findings = await examine(context)
  const failed = findings.find(({ level }) => level === 'fail')
  const isWell = allWell(findings.filter(({ level }) => level !== 'ok'))
  out.result(findings.map(finding => shown(finding, out)).join('\n'), {
    ok: failed === undefined,
    allWell: isWell,
    findings: findings.map(({ exit, ...finding }) => finding),
  })
  out.say(failed !== undefined ? 'not well' : isWell ? 'all well' : 'mail comes and goes, but look at the warnings')
  return failed === undefined ? EXIT.ok : (failed.exit ?? EXIT.failure)
}

async function examine(context: Parameters<typeof doctor>[0]): Promise<readonly Finding[]> {
  const { options, env, clock, timers, signal } = context
  const passphrase = passphraseOf(context)
  const profile = findProfile(() => chosenProfile(options, env))
  const verifier = await lookAtVerifier()
  const sqlite = lookAtDriver()
  if ('finding' in profile) return [profile.finding, ...sqlite, verifier]
  const { name, pubkey } = profile.found
  const onDisk = openHome(profile.found)
  const { view } = onDisk
  try {
    const key = lookAtKey(profile.found)
    const visit = (url: string) => ({
      url,
      pubkey,
      timers,
      signal,
      timeoutMs: options.timeout,
      connect: (onDemand: () => void) =>
        connectAs(url, options, env, { timeoutMs: options.timeout, onDemand, passphrase }),
    })
    const visits = await Promise.all([
      ...(givenRelays(options.relay) ?? profile.found.relays).map(url =>
        visitRelay({
          ...visit(url),
          position: view?.position(url),
          has: id => view?.has(id) ?? false,
          suspect: view?.suspect(url) ?? false,
          partial: view?.partial(url) ?? false,
          clock,
        }),
      ),
      ...(profile.found.discovery ?? []).map(url => visitDiscovery(visit(url))),
    ])
    return [
      { check: 'profile', level: 'ok', what: `${name}, ${npubOf(pubkey)}` },
      ...lookAtCopies(profile.found),
      key,
      lookAtFiles(profile.found),
      ...sqlite,
      // Without a driver each file is unreadable, and for one reason.
      ...(sqlite.length > 0 ? [] : onDisk.findings),
      ...visits.flat(),
      ...lookAtWaiting(onDisk, seconds(clock)),
      lookAtSpool(profile.found, clock.now()),
      lookAtWake(profile.found),
      verifier,
    ]
  } finally {
    view?.close()
  }
}

function findProfile(read: () => Profile): { readonly found: Profile } | { readonly finding: Finding } {
  try {
    return { found: read() }
  } catch (error) {
    const { message: what, exit } = explain(error)
    // A mistake on the command line is no finding.
    if (exit === EXIT.usage) throw error
    return { finding: { check: 'profile', level: 'fail', code: 'profile-unusable', what, exit } }
  }
}

/** Nothing can be kept without the SQLite driver. Empty: it loads. */
function lookAtDriver(): readonly Finding[] {
  try {
    loadDriver()
    return []
  } catch (error) {
    const [what = '', ...advice] = messageOf(error).split('\n')
    const step = advice.map(line => line.trim()).join(' ')
    return [
      {
        check: 'sqlite',
        level: 'fail',
        code: 'driver-missing',
        what,
        ...(step === '' ? {} : { do: step }),
        exit: EXIT.failure,
      },
    ]
  }
}

async function lookAtVerifier(): Promise<Finding> {
  const { tier, passedOver } = await loadTier('auto')
  const what = [tier, ...passedOver.map(why => `not ${why}`)].join('; ')
  if (tier !== 'noble') return { check: 'verifier', level: 'ok', what }
  return {
    check: 'verifier',
    level: 'warn',
    code: 'verifier-slow',
    what,
    do: 'reinstall without --omit=optional: checking signatures takes twenty times as long so',
  }
}

const MARKS: Readonly<Record<Level, (paint: Paint) => string>> = {
  ok: paint => paint.green('ok  '),
  warn: paint => paint.bold('warn'),
  fail: paint => paint.red('FAIL'),
}

function shown({ check, level, about, what, do: advice }: Finding, { paint, commands }: Output): string {
  const subject = about === undefined ? '' : `${escapeText(about)}: `
  const line = `${MARKS[level](paint)}  ${check.padEnd(9)}  ${subject}${escapeText(what)}`
  return advice === undefined ? line : `${line}\n${' '.repeat(17)}${escapeText(commands(advice))}`
}
