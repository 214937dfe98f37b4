import { readdirSync, readFileSync, rmSync, watch } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../platform/clock.ts'
import { makeFolder } from '../../platform/make-folder.ts'
import { randomHex, systemRandom } from '../../platform/random.ts'
import type { Cancel } from '../../platform/timers.ts'
import { every, type Timers } from '../../platform/timers.ts'
import { expirationOf, parseEventText, tagValue } from '../../protocol/event.ts'
import { isHex64 } from '../../protocol/hex.ts'
import { isRecord, own, parseJson } from '../../protocol/json.ts'
import { EPHEMERAL_MESSAGE, EPHEMERAL_WRAP, GIFT_WRAP, MESSAGE } from '../../protocol/kinds.ts'
import { verifyEvent } from '../../protocol/signature.ts'
import type { SendOptions } from '../api.ts'
import { compositionOf, createCompose, type WrapForm } from '../mail/compose.ts'
import { encodeMessage } from '../mail/message.ts'
import { isReceiptState } from '../mail/receipt-order.ts'
import type { Delivery, Mark } from '../mail/types.ts'
import type { HandedMail } from '../orders.ts'
import { type Order, parseOrder } from '../orders.ts'
import { isPrivateRelay } from '../relays/addresses.ts'
import { namedTo } from '../relays/lists.ts'
import { exposure, isMissing, lstatOrUndefined, writePrivateFile } from './files.ts'
import { findBeside } from './find-beside.ts'
import { openHomeSigner } from './home-signer.ts'
import type { OpenKeyOptions } from './key-file.ts'
import { homeFiles } from './paths.ts'
import { readProfile } from './profile.ts'
import { readHome } from './read-home.ts'

/** The running agent looks this often even if the system tells it of no change. */
const POLL_MS = 1_000
const MAX_FILE_BYTES = 256 * 1024
const FILE = /^[0-9a-f]{32}\.json$/
const TOLD_FILE = /^[0-9a-f]{64}\.told$/
/** Nobody has come for it in all this time. */
const TOLD_MS = 60_000
const toldFile = (id: string): string => `${id}.told`

export interface HandOverOptions extends SendOptions {
  /** For a key under a passphrase. */
  readonly key?: OpenKeyOptions
}

/**
 * Beside a running agent: signs a message with the home's key and lays it into the spool, whence the agent sends it; without
 * one, the next start does. Returns the event id once the file is durable.
 */
export async function handOver(
  home: string,
  to: string,
  text: string,
  { key, ...options }: HandOverOptions = {},
): Promise<string> {
  const { pubkey: recipient, relays } = await findBeside(home, to)
  const parent = options.replyTo === undefined ? undefined : parentIn(home, options.replyTo)
  const signer = await openHomeSigner(readProfile(home), key)
  try {
    const urls = readProfile(home).relays
    // Where it goes may not be known here: addresses of this network are named only where it is.
    const isNamed = relays.length > 0 ? !relays.some(url => urls.includes(url)) : !urls.every(isPrivateRelay)
    const answerAt = () => (isNamed ? namedTo(relays, urls) : [])
    const compose = createCompose({ signer, clock: systemClock, random: systemRandom, answerAt })
    const [mail, ...copies] = await compose(compositionOf(recipient, text, options, parent, systemClock))
    for (const each of [mail, ...copies])
      lay(home, { v: 1, send: { ...each, hints: each.to === recipient ? relays : [] } })
    return mail.id
  } finally {
    await signer.close?.()
  }
}

/** What became of an ephemeral message that was handed over, once the running agent has told it; answers once. */
export function toldBeside(home: string, id: string): Delivery | undefined {
  const path = join(homeFiles(home).spool, toldFile(id))
  try {
    const json = parseJson(readFileSync(path, 'utf8'))
    rmSync(path, { force: true })
    return json.ok && isRecord(json.value) && typeof own(json.value, 'state') === 'string'
      ? (json.value as unknown as Delivery)
      : undefined
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Beside a running agent: has it mark a message as read. `id` is the full id. */
export function handOverRead(home: string, id: string): void {
  lay(home, { v: 1, read: id })
}

/** Beside a running agent: has it mark a message, and send the receipt. `id` is the full id. */
export function handOverMark(home: string, id: string, mark: Mark, reason?: string): void {
  lay(home, { v: 1, mark: { id, as: mark, ...(reason === undefined ? {} : { reason }) } })
}

function parentIn(home: string, id: string): { id: string; root?: string; wrap?: WrapForm } {
  const view = readHome(home)
  try {
    const { root, wrap } = view.find(id) ?? {}
    return { id, ...(root === undefined ? {} : { root }), ...(wrap === undefined ? {} : { wrap }) }
  } finally {
    view.close()
  }
}

/** Beside a running agent: has it do what only it may. */
export const layOrder = (home: string, order: Order): void => lay(home, { v: 1, order })

interface MarkOrder {
  readonly id: string
  readonly as: Mark
  readonly reason?: string
}

function lay(
  home: string,
  order: { v: 1; send: HandedMail } | { v: 1; read: string } | { v: 1; mark: MarkOrder } | { v: 1; order: Order },
): void {
  const { spool } = homeFiles(home)
  makeFolder(spool, 0o700)
  writePrivateFile(join(spool, `${randomHex(systemRandom, 32)}.json`), JSON.stringify(order), 'new')
}

export interface SpoolReader {
  /** False: not now; the file stays for the next one to look. */
  onMail(mail: HandedMail): boolean
  /** An ephemeral message: to be told now, or never. What became of it is told to whoever handed it over. */
  onTell(mail: HandedMail): Promise<Delivery | undefined>
  onRead(id: string): void
  onMark(id: string, mark: Mark, reason: string | undefined): void
  /** False: not now. */
  onOrder(order: Order): boolean
}

/** Takes over what lies in the spool, now and whenever something is added, until cancelled. A file goes only after it was taken. */
export function watchSpool(home: string, pubkey: string, timers: Timers, reader: SpoolReader): Cancel {
  const { spool } = homeFiles(home)
  makeFolder(spool, 0o700)

  function drain(): void {
    for (const name of readdirSync(spool).sort()) {
      if (TOLD_FILE.test(name)) forget(join(spool, name))
      if (!FILE.test(name)) continue
      const path = join(spool, name)
      const order = readOrder(path, pubkey)
      if (order === undefined) continue
      if ('mail' in order && !reader.onMail(order.mail)) return
      if ('tell' in order) void tell(order.tell)
      if ('read' in order) reader.onRead(order.read)
      if ('mark' in order) reader.onMark(order.mark.id, order.mark.as, order.mark.reason)
      if ('order' in order && !reader.onOrder(order.order)) return
      rmSync(path, { force: true })
    }
  }

  async function tell(mail: HandedMail): Promise<void> {
    const delivery = await reader.onTell(mail)
    if (delivery === undefined) return
    try {
      writePrivateFile(join(spool, toldFile(mail.id)), JSON.stringify(delivery), 'new')
    } catch {
      // The folder is gone, or the disk is full: whoever asked hears nothing, as where nobody listens.
    }
  }

  function drainLater(): void {
    try {
      drain()
    } catch {
      // The folder is gone, or the disk is full: what lies there stays there, and the next look tries again.
    }
  }

  drain()
  const cancelPoll = every(timers, POLL_MS, drainLater)
  const watcher = watch(spool, { persistent: false }, drainLater)
  // Watching is an acceleration; where it fails, the poll remains.
  watcher.on('error', () => watcher.close())
  return () => {
    cancelPoll()
    watcher.close()
  }
}

/** Of one that was told long ago. */
function forget(path: string): void {
  const written = lstatOrUndefined(path)?.mtimeMs
  if (written !== undefined && Math.abs(systemClock.now() - written) > TOLD_MS) rmSync(path, { force: true })
}

/** Undefined: gone, or not ours to take. `bad` files are removed: nobody could ever take them. */
function readOrder(
  path: string,
  pubkey: string,
):
  | { mail: HandedMail }
  | { tell: HandedMail }
  | { read: string }
  | { mark: MarkOrder }
  | { order: Order }
  | { bad: true }
  | undefined {
  let text: string
  try {
    const stats = lstatOrUndefined(path)
    if (!stats?.isFile() || exposure(stats) !== undefined) return undefined
    if (stats.size > MAX_FILE_BYTES) return { bad: true }
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  const json = parseJson(text)
  if (!json.ok || !isRecord(json.value) || own(json.value, 'v') !== 1) return { bad: true }
  const read = own(json.value, 'read')
  if (isHex64(read)) return { read }
  const mark = readMark(own(json.value, 'mark'))
  if (mark) return { mark }
  const given = own(json.value, 'order')
  const order = isRecord(given) ? parseOrder(given, value => readSend(value, pubkey, KEPT)) : undefined
  if (order) return { order }
  const send = own(json.value, 'send')
  const mail = readSend(send, pubkey, KEPT)
  if (mail) return { mail }
  const tell = readSend(send, pubkey, TOLD)
  return tell ? { tell } : { bad: true }
}

function readMark(value: unknown): MarkOrder | undefined {
  if (!isRecord(value)) return undefined
  const [id, as, reason] = [own(value, 'id'), own(value, 'as'), own(value, 'reason')]
  if (!isHex64(id) || typeof as !== 'string' || !isReceiptState(as) || as === 'received') return undefined
  return { id, as, ...(typeof reason === 'string' ? { reason } : {}) }
}

const KEPT = { message: MESSAGE, wrap: GIFT_WRAP }
const TOLD = { message: EPHEMERAL_MESSAGE, wrap: EPHEMERAL_WRAP }

/** A message signed by this home's key, or a wrap: whose key that is nobody can tell, so the folder's privacy has to do. */
function readSend(value: unknown, pubkey: string, { message, wrap }: typeof KEPT): HandedMail | undefined {
  if (!isRecord(value)) return undefined
  const [id, text] = [own(value, 'id'), own(value, 'event')]
  const parsed = parseEventText(typeof text === 'string' ? text : '')
  if (!parsed.ok || !isHex64(id)) return undefined
  const event = parsed.value
  const isOurs = event.kind === wrap || (event.kind === message && event.pubkey === pubkey && event.id === id)
  const to = tagValue(event, 'p')
  if (!isOurs || !isHex64(to) || !verifyEvent(event)) return undefined
  const expires = expirationOf(event)
  const hints = own(value, 'hints')
  return {
    id,
    to,
    event: encodeMessage(event),
    ...(expires === undefined ? {} : { expires }),
    ...(Array.isArray(hints) && hints.every(url => typeof url === 'string') ? { hints } : {}),
  }
}
