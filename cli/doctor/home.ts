import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { randomHex, systemRandom } from '../../platform/random.ts'
import { openToRead, structureFault } from '../../platform/sqlite.ts'
import { publicKeyOf } from '../../protocol/index.ts'
import { parseJson } from '../../protocol/json.ts'
import { hasRun, homeFiles } from '../../sdk/home/paths.ts'
import {
  type HealthFacts,
  type HomeView,
  isKeyFileEncrypted,
  listProfiles,
  type ProblemCode,
  type Profile,
  problemsOf,
  readHome,
  readKeyFile,
  readRecordFacts,
} from '../../sdk/index.ts'
import { errorCode, explain } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { ago, plural } from '../text.ts'
import type { Finding } from './finding.ts'

/** Says nothing but that somebody is there. */
const LOCK = /^lock\./

/** The key is there, closed to others, and the profile's. */
export function lookAtKey({ home, pubkey, signer }: Profile): Finding {
  const check = 'key'
  try {
    const file = join(home, 'key')
    // Whether it is the profile's only the passphrase could tell, and looking asks for nothing.
    if (isKeyFileEncrypted(file)) return { check, level: 'ok', what: 'there, closed to others, under a passphrase' }
    const key = readKeyFile(file)
    const own = publicKeyOf(key)
    key.fill(0)
    if (signer)
      return {
        check,
        level: 'ok',
        what: `with a remote signer at ${signer.relays.join(', ')}; ours for it is closed to others`,
      }
    if (own === pubkey) return { check, level: 'ok', what: 'there, closed to others' }
    return {
      check,
      level: 'fail',
      code: 'key-other',
      what: 'it is not the key that profile.json names',
      do: `put the right key back into ${home}, or remove profile.json and run posthorn init: the profile then becomes that of the key`,
      exit: EXIT.failure,
    }
  } catch (error) {
    const { message, exit } = explain(error)
    return { check, level: 'fail', code: 'key-unusable', what: message, exit }
  }
}

/** Two folders with one key each take its mail and say `done` for it; none has what the other did. Empty: there is one. */
export function lookAtCopies({ home, pubkey }: Profile): readonly Finding[] {
  const root = dirname(home)
  const copies = listProfiles(root).flatMap(each => (each.pubkey === pubkey && each.home !== home ? [each.home] : []))
  if (copies.length === 0) return []
  return [
    {
      check: 'profile',
      level: 'warn',
      code: 'profile-copied',
      what: `the same key is in ${copies.join(', ')}: a copy of this profile, which takes the same mail`,
      do: `keep one of them; move the other out of ${root}`,
    },
  ]
}

/** What lies beside the key holds mail: its owner can write it, and others cannot read it. */
export function lookAtFiles({ home }: Profile): Finding {
  const { mail, state, spool } = homeFiles(home)
  const fault = writeFault(home)
  if (fault !== undefined) return fault
  const unwritable = [home, mail, state, spool].filter(path => existsSync(path) && !isWritable(path))
  if (unwritable.length > 0)
    return {
      check: 'files',
      level: 'fail',
      code: 'files-unwritable',
      what: `this user cannot write ${unwritable.join(', ')}: nothing can be received or sent`,
      do: `make them yours: chown -R "$(id -u)" ${home}; chmod -R u+rwX ${home}`,
      exit: EXIT.failure,
    }
  const damaged = readdirSync(home).filter(name => name.endsWith('.json') && !isJson(join(home, name)))
  if (damaged.length > 0)
    return {
      check: 'files',
      level: 'fail',
      code: 'files-damaged',
      what: `not JSON, so cut short or overwritten: ${damaged.map(name => join(home, name)).join(', ')}`,
      do: 'restore them from a backup, or move them away: what they hold (contacts, invites, card) then begins empty',
      exit: EXIT.integrity,
    }
  const open =
    process.platform === 'win32'
      ? []
      : readdirSync(home).filter(
          name => !LOCK.test(name) && (statSync(join(home, name), { throwIfNoEntry: false })?.mode ?? 0) & 0o077,
        )
  if (open.length === 0) return { check: 'files', level: 'ok', what: home }
  return {
    check: 'files',
    level: 'warn',
    code: 'files-open',
    what: `open to others in ${home}: ${open.join(', ')}`,
    do: `chmod -R go= ${home}`,
  }
}

/** Bytes of the trial: about what the first start of a profile takes. */
const TRIAL_BYTES = 262_144
/** Not about who owns the files, which is looked at file by file. */
const DISK_FAULTS: readonly string[] = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EFBIG']

/** What keeps the disk from taking a new file in the home, found by writing one and removing it; undefined if nothing does. */
function writeFault(home: string): Finding | undefined {
  const path = join(home, `trial.${randomHex(systemRandom, 16)}`)
  try {
    writeFileSync(path, Buffer.alloc(TRIAL_BYTES, 1), { flag: 'wx', mode: 0o600, flush: true })
    return undefined
  } catch (error) {
    const code = errorCode(error)
    if (!DISK_FAULTS.includes(code)) return undefined
    const { message, hint = 'mount it for writing, or move the profile to another disk' } = explain(error)
    return {
      check: 'files',
      level: 'fail',
      code: 'disk-unwritable',
      what: `nothing can be received or sent: ${message.replace(`${path}: `, `${home}: `)}`,
      do: hint.replace(/;.*/, ''),
      exit: EXIT.failure,
    }
  } finally {
    rmSync(path, { force: true })
  }
}

/** session.json holds hex alone, and is made anew if it does not. */
function isJson(path: string): boolean {
  try {
    if (!statSync(path).isFile()) return false
    return basename(path) === 'session.json' || parseJson(readFileSync(path, 'utf8')).ok
  } catch {
    // Whoever may not read it is told so by what needs it.
    return true
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** What a home holds, as far as it can be read. */
export interface HomeOnDisk {
  /** Undefined: the mail cannot be read; a finding says why. */
  readonly view?: HomeView
  readonly facts: HealthFacts
  readonly findings: readonly Finding[]
}

/** Opens the files of a home for reading, and checks each as a whole. */
export function openHome({ home, pubkey }: Profile): HomeOnDisk {
  const findings: Finding[] = []
  let view: HomeView | undefined
  let facts: HealthFacts = {}
  try {
    view = readHome(home)
    const counts = view.status()
    const fault = fileFaultOf(homeFiles(home).mail)
    facts = counts
    if (fault !== undefined) findings.push(damaged('mail', fault))
    else if (hasRun(home) && !existsSync(homeFiles(home).mail))
      findings.push({
        check: 'mail',
        level: 'warn',
        code: 'mail-missing',
        what: 'there is no mail.db, though this profile has run: received mail, what was queued and all positions are not here',
        do: 'put it back from a backup; without one the next start fetches again what the relays still have',
      })
    else findings.push({ check: 'mail', level: 'ok', what: `${plural(counts.unread, 'message')} unread` })
  } catch (error) {
    findings.push(unreadable('mail', 'mail-unreadable', error))
  }
  try {
    const fault = fileFaultOf(homeFiles(home).state)
    facts = { ...facts, records: readRecordFacts(home, pubkey) }
    if (fault !== undefined) findings.push(damaged('state', fault))
  } catch (error) {
    findings.push(unreadable('state', 'state-unreadable', error))
  }
  return { ...(view === undefined ? {} : { view }), facts, findings }
}

const damaged = (check: 'mail' | 'state', what: string): Finding => ({
  check,
  level: 'fail',
  code: `${check}-damaged`,
  what,
  do: 'stop what runs on this profile, then restore the file from a backup, or move it away to start without it',
  exit: EXIT.integrity,
})

function unreadable(check: 'mail' | 'state', code: string, error: unknown): Finding {
  const { message, exit, hint } = explain(error)
  return { check, level: 'fail', code, what: message, ...(hint === undefined ? {} : { do: hint }), exit }
}

/** Undefined: sound, or not there. Throws what makes it unreadable. */
function fileFaultOf(path: string): string | undefined {
  if (!existsSync(path)) return undefined
  const db = openToRead(path)
  try {
    const fault = structureFault(db)
    return fault === undefined ? undefined : `${path} is damaged: ${fault}`
  } finally {
    db.close()
  }
}

/** What was handed to a running agent and lies there still, oldest first seen; `nowMs` since 1970. */
export function lookAtSpool({ home }: Profile, nowMs: number): Finding {
  const check = 'spool'
  const { spool } = homeFiles(home)
  const place = statSync(spool, { throwIfNoEntry: false })
  if (place !== undefined && !place.isDirectory())
    return {
      check,
      level: 'fail',
      code: 'spool-unusable',
      what: `${spool} is no folder`,
      do: 'move it away; the folder is made at the next start',
      exit: EXIT.failure,
    }
  const names = place === undefined ? [] : readdirSync(spool).filter(name => name.endsWith('.json'))
  const oldest = names.reduce(
    (at, name) => Math.min(at, statSync(join(spool, name), { throwIfNoEntry: false })?.mtimeMs ?? at),
    nowMs,
  )
  if (names.length === 0) return { check, level: 'ok', what: 'nothing waits for the running agent' }
  return {
    check,
    level: 'warn',
    code: 'spool-waiting',
    what: `${plural(names.length, 'order')} that no agent has taken, the oldest from ${ago(Math.floor(oldest / 1_000), Math.floor(nowMs / 1_000))}`,
    do: 'the agent of this profile takes them within a second: it hangs, or none runs; posthorn catchup takes them then',
  }
}

type Area = 'outbox' | 'inbox' | 'strangers' | 'state'

const AREAS: Readonly<Record<Area, { readonly codes: readonly ProblemCode[]; readonly fine: string }>> = {
  outbox: { codes: ['mail-waiting', 'mail-undelivered'], fine: 'empty' },
  inbox: { codes: ['mail-failed'], fine: 'no dead letters' },
  strangers: { codes: ['senders-unknown'], fine: 'none unanswered' },
  state: { codes: ['state-waiting', 'document-waiting', 'card-waiting'], fine: 'nothing waits to be published' },
}

/** What is waiting or given up: the judgement that every other verb has, with the age of the oldest message; `now` in seconds. */
export function lookAtWaiting({ view, facts, findings }: HomeOnDisk, now: number): readonly Finding[] {
  const problems = problemsOf(facts)
  const [oldest] = view?.queued(1) ?? []
  const areas = (Object.keys(AREAS) as Area[]).filter(area =>
    area === 'state'
      ? facts.records !== undefined && !findings.some(({ check }) => check === area)
      : view !== undefined,
  )
  return areas.flatMap((check): Finding[] => {
    const found = problems.filter(({ code }) => AREAS[check].codes.includes(code))
    if (found.length === 0) return [{ check, level: 'ok', what: AREAS[check].fine }]
    return found.map(({ what, reason, ...problem }) => ({
      check,
      ...problem,
      what:
        problem.code === 'mail-waiting' && oldest !== undefined
          ? `${what}, the oldest from ${ago(oldest.at, now)}`
          : [what, ...(reason === undefined ? [] : [reason])].join(': '),
    }))
  })
}
