import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { publicKeyOf } from '../../protocol/index.ts'
import { type HomeView, isKeyFileEncrypted, type Profile, readHome, readKeyFile } from '../../sdk/index.ts'
import { exitCodeOf, hintOf } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { ago, plural } from '../text.ts'
import type { Finding } from './finding.ts'

/** Mail that no relay took for so long is stuck, in seconds. */
const STUCK_S = 3_600
/** Queued messages looked at for the oldest. */
const LOOK = 1

/** Says nothing but that somebody is there. */
const LOCK = /^lock\./

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

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
      what: 'it is not the key that profile.json names',
      do: `put the right key back into ${home}, or remove profile.json and run posthorn init: the profile then becomes that of the key`,
      exit: EXIT.failure,
    }
  } catch (error) {
    return { check, level: 'fail', what: messageOf(error), exit: exitCodeOf(error) }
  }
}

/** What lies beside the key holds mail, and is nobody else's to read. */
export function lookAtFiles({ home }: Profile): Finding {
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
    what: `open to others in ${home}: ${open.join(', ')}`,
    do: `chmod -R go= ${home}`,
  }
}

/** The mail on disk can be read; undefined with a finding if not. */
export function openHome({ home }: Profile): { readonly view?: HomeView; readonly finding: Finding } {
  try {
    const view = readHome(home)
    const { unread } = view.status()
    return { view, finding: { check: 'mail', level: 'ok', what: `${plural(unread, 'message')} unread` } }
  } catch (error) {
    const hint = hintOf(error)
    return {
      finding: {
        check: 'mail',
        level: 'fail',
        what: messageOf(error),
        ...(hint === undefined ? {} : { do: hint }),
        exit: exitCodeOf(error),
      },
    }
  }
}

/** `now` in seconds. */
export function lookAtOutbox(view: HomeView, now: number): Finding {
  const check = 'outbox'
  const { queue } = view.status()
  const [oldest] = view.queued(LOOK)
  if (queue === 0 || oldest === undefined) return { check, level: 'ok', what: 'empty' }
  const what = `${plural(queue, 'message')} not yet with a relay, the oldest from ${ago(oldest.at, now)}`
  if (now - oldest.at < STUCK_S) return { check, level: 'ok', what }
  return {
    check,
    level: 'warn',
    what,
    do: 'posthorn catchup tries again; what the relays say of the recipient’s inbox is in posthorn status',
  }
}

export function lookAtStrangers(view: HomeView): Finding {
  const check = 'strangers'
  const { unknownSenders } = view.status()
  if (unknownSenders === 0) return { check, level: 'ok', what: 'none unanswered' }
  return {
    check,
    level: 'warn',
    what: `unread mail from ${plural(unknownSenders, 'unknown sender')}; no handler works for them`,
    do: 'posthorn inbox --unread marks them; read what they want, then accept or deny them as contacts',
  }
}
