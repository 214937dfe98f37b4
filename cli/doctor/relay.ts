import type { Clock } from '../../platform/clock.ts'
import { proxyFor } from '../../platform/proxy.ts'
import type { Timers } from '../../platform/timers.ts'
import { getNode } from '../../platform/web-get-node.ts'
import type { Cursor } from '../../protocol/cursor.ts'
import type { EoseHints } from '../../protocol/hints.ts'
import { INBOX_RELAYS, MESSAGE, RELAY_LIST } from '../../protocol/kinds.ts'
import { parseReason } from '../../protocol/reasons.ts'
import type { RelayClient } from '../../sdk/index.ts'
import { exitCodeOf, exitCodeOfReason, hintOf, hintOfReason, messageOf } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { ago, escapeLine, plural } from '../text.ts'
import { within } from '../wait.ts'
import type { Finding } from './finding.ts'

export interface RelayVisit {
  readonly url: string
  readonly pubkey: string
  /** Where the inbox stands there. */
  readonly position: Cursor | undefined
  /** This message came here. */
  readonly has: (id: string) => boolean
  /** Something came damaged, and the inbox was not compared since. */
  readonly suspect: boolean
  /** It may have more than it gave at the last catch-up. */
  readonly partial: boolean
  readonly clock: Clock
  readonly timers: Timers
  readonly signal: AbortSignal
  /** For each question, ms. */
  readonly timeoutMs: number
  /** `onDemand` is told when the relay wants to know who asks. */
  readonly connect: (onDemand: () => void) => Promise<RelayClient>
}

/** Events are refused from the future by more; NIP-42 allows as much. */
const REFUSED_SKEW_S = 600
const NOTED_SKEW_S = 30
const MAX_INFO_BYTES = 262_144
const PAGE = 100
const WIDTH = 200

/** One relay: reachable, who it serves, how it keeps its log, what waits there; and its clock. */
export async function visitRelay(visit: RelayVisit): Promise<readonly Finding[]> {
  const [relay, clock] = await Promise.all([askRelay(visit), compareClocks(visit)])
  const proxy = proxyOf(visit.url)
  return [...(proxy === undefined ? [] : [proxy]), relay, ...(clock === undefined ? [] : [clock])]
}

/** Which proxy of the environment is between, if one is. */
function proxyOf(url: string): Finding | undefined {
  const finding = { check: 'proxy', about: url } as const
  try {
    const choice = proxyFor(url)
    return choice && { ...finding, level: 'ok', what: `goes through the proxy ${choice.name} (from the environment)` }
  } catch (error) {
    const advice = 'correct HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, or exclude the host by NO_PROXY'
    return { ...finding, level: 'fail', code: 'proxy-unusable', what: said(error), do: advice, exit: EXIT.unreachable }
  }
}

async function askRelay(visit: RelayVisit): Promise<Finding> {
  const { url: about, position, signal, timers, timeoutMs: ms } = visit
  const check = 'relay'
  let demanded = false
  let client: RelayClient
  try {
    client = await visit.connect(() => {
      demanded = true
    })
  } catch (error) {
    const advice =
      hintOf(error) ?? 'is the address right, the relay running, the network there? mail to it waits meanwhile'
    return {
      check,
      level: 'fail',
      code: 'relay-unreachable',
      about,
      what: said(error),
      do: advice,
      exit: exitCodeOf(error),
    }
  }
  try {
    const answer = await within(askForMail(client, visit), { timers, signal, ms })
    if (answer === undefined)
      return {
        check,
        level: 'fail',
        code: 'relay-silent',
        about,
        what: `no answer in ${ms / 1_000} s`,
        do: 'try again, or with --timeout',
        exit: EXIT.unreachable,
      }
    if (answer.closed !== undefined) return refusedBy(about, answer.closed)
    if (answer.invalid > 0)
      return {
        check,
        level: 'fail',
        code: 'relay-forges',
        about,
        what: `${plural(answer.invalid, 'event')} that it sent did not hold`,
        do: 'it forges or is damaged; use another relay, and tell its operator',
        exit: EXIT.integrity,
      }
    if (visit.suspect)
      return {
        check,
        level: 'warn',
        code: 'relay-suspect',
        about,
        what: 'mail may be missing: an event came damaged, and what this relay has was not compared yet',
        do: 'run posthorn catchup again; if it stays so, use another relay as well',
      }
    const { seq } = answer.hints
    const words = [demanded ? 'reachable, knows this key' : 'reachable', waitingText(answer)]
    if (seq !== undefined)
      return {
        check,
        level: 'ok',
        about,
        what: [...words, ...cursorText(position, answer.hints, visit.clock.now()), `log at ${seq}`].join('; '),
      }
    if (visit.partial)
      return {
        check,
        level: 'warn',
        code: 'relay-partial',
        about,
        what: [...words, 'it may have mail that it did not give, though it was asked for everything'].join('; '),
        do: 'posthorn catchup says why; use another relay as well: one that keeps log order (posthorn relay does) leaves nothing out',
      }
    return {
      check,
      level: 'warn',
      code: 'relay-may-miss',
      about,
      what: [...words, 'it keeps no log order: late messages may be missed'].join('; '),
      do: 'add a relay that does (posthorn relay is one)',
    }
  } finally {
    await client.close()
  }
}

interface Answer {
  readonly hints: EoseHints
  /** Messages after the position; where there is none, of the newest 100 those that are not here. */
  readonly waiting: number
  /** Without a position `waiting` says whether it is caught up with. */
  readonly isCompared: boolean
  readonly invalid: number
  /** The relay's words instead of an answer. */
  readonly closed?: string
}

/**
 * A proxy that drops the subprotocol from the handshake hides from the relay that hints are read, so an answer without them is followed by a
 * question in log order.
 */
async function askForMail(client: RelayClient, visit: RelayVisit): Promise<Answer> {
  const answer = await askInbox(client, visit)
  if (visit.position !== undefined || answer.closed !== undefined || answer.hints.seq !== undefined) return answer
  const inLogOrder = await askInbox(client, { ...visit, position: { epoch: '', seq: 0 } })
  // Without a log there is no position: what it has is compared with what is here.
  return inLogOrder.hints.seq === undefined
    ? { ...answer, isCompared: true }
    : { ...answer, hints: inLogOrder.hints, isCompared: false }
}

/** What there is for this key after the position; without one what of the newest is not here. */
const askInbox = (client: RelayClient, { pubkey, position, has }: RelayVisit): Promise<Answer> =>
  new Promise(resolve => {
    let waiting = 0
    const mail = { kinds: [MESSAGE], '#p': [pubkey] }
    const filter =
      position === undefined
        ? { ...mail, limit: PAGE }
        : { ...mail, limit: PAGE, since_seq: position.seq, ...(position.seq > 0 ? { epoch: position.epoch } : {}) }
    const request = client.request([filter], {
      onEvent: ({ id }) => {
        if (position !== undefined || !has(id)) waiting += 1
      },
      onEose: hints => {
        request.close()
        resolve({ hints, waiting, isCompared: position !== undefined, invalid: request.invalid })
      },
      onClosed: closed => resolve({ hints: {}, waiting, isCompared: false, invalid: request.invalid, closed }),
    })
  })

function waitingText({ waiting, isCompared, hints }: Answer): string {
  if (!isCompared) return 'not caught up with yet (posthorn catchup)'
  if (waiting === 0) return 'caught up'
  return `${hints.complete === 'more' || waiting >= PAGE ? 'at least ' : ''}${plural(waiting, 'message')} to fetch (posthorn catchup)`
}

/** A position that another run of the relay gave: when that began. */
function cursorText(position: Cursor | undefined, { epoch }: EoseHints, nowMs: number): readonly string[] {
  if (position === undefined || position.epoch === epoch) return []
  // The first 48 bits of an epoch are when its run began, in ms.
  const began = Number.parseInt(position.epoch.slice(0, 12), 16) / 1_000
  return [`last read in an earlier run of it, begun ${ago(Math.floor(began), Math.floor(nowMs / 1_000))}`]
}

/** Where others are looked for: whether it answers, and can tell others where this key reads. Mail needs none, so nothing fails by it. */
export async function visitDiscovery(
  visit: Pick<RelayVisit, 'url' | 'pubkey' | 'timers' | 'signal' | 'timeoutMs' | 'connect'>,
): Promise<readonly Finding[]> {
  const { url: about, pubkey, timers, signal, timeoutMs: ms } = visit
  const proxy = proxyOf(about)
  const finding = { check: 'discovery', about } as const
  const warning = (what: string, advice: string): Finding => ({
    ...finding,
    level: 'warn',
    code: 'discovery-unreachable',
    what: `relays of others are not found there, nor those of this key by others: ${what}`,
    do: advice,
  })
  try {
    const client = await visit.connect(() => {})
    try {
      const lists = await within(askForLists(client, pubkey), { timers, signal, ms })
      if (lists === undefined) return [warning(`no answer in ${ms / 1_000} s`, 'try again, or with --timeout')]
      if (typeof lists === 'string')
        return [warning(escapeLine(lists, WIDTH), 'use another one (posthorn init --discovery)')]
      const what =
        lists > 0
          ? 'has the relay lists of this key'
          : 'has no relay list of this key yet (posthorn catchup publishes it)'
      return [...(proxy === undefined ? [] : [proxy]), { ...finding, level: 'ok', what: `reachable; ${what}` }]
    } finally {
      await client.close()
    }
  } catch (error) {
    return [
      ...(proxy === undefined ? [] : [proxy]),
      warning(said(error), hintOf(error) ?? 'is the address right? Another one: posthorn init --discovery'),
    ]
  }
}

/** How many relay lists of a key a relay has, or why it does not say. */
const askForLists = (client: RelayClient, pubkey: string): Promise<number | string> =>
  new Promise(resolve => {
    let count = 0
    const request = client.request([{ kinds: [INBOX_RELAYS, RELAY_LIST], authors: [pubkey] }], {
      onEvent: () => {
        count += 1
      },
      onEose: () => {
        request.close()
        resolve(count)
      },
      onClosed: resolve,
    })
  })

function refusedBy(about: string, why: string): Finding {
  const what = escapeLine(why, WIDTH)
  if (parseReason(why).text.startsWith('cursor-unknown'))
    return {
      check: 'relay',
      level: 'warn',
      code: 'relay-restored',
      about,
      what: 'its log went back: it was restored from a backup',
      do: 'posthorn catchup goes on from the last position both know, and offers again what it lost',
    }
  const hint = hintOfReason(why)
  return {
    check: 'relay',
    level: 'fail',
    code: 'relay-refuses',
    about,
    what,
    ...(hint === undefined ? {} : { do: hint }),
    exit: exitCodeOfReason(why),
  }
}

/** By the Date of its HTTP side, to the second; undefined where there is none to be had. */
async function compareClocks({ url, clock, timers, timeoutMs, signal }: RelayVisit): Promise<Finding | undefined> {
  try {
    const sent = clock.now()
    const info = { publicOnly: false, maxBytes: MAX_INFO_BYTES, timeoutMs, accept: 'application/nostr+json' }
    const response = await within(getNode(url.replace(/^ws/, 'http'), info), { timers, signal, ms: timeoutMs })
    const received = clock.now()
    const theirs = Date.parse(response?.date ?? '')
    if (Number.isNaN(theirs)) return undefined
    const skew = Math.round((theirs - (sent + received) / 2) / 1_000)
    const finding = { check: 'clock', about: url } as const
    if (Math.abs(skew) <= NOTED_SKEW_S) return { ...finding, level: 'ok', what: 'agrees with this machine’s' }
    const what = `${Math.abs(skew)} s ${skew > 0 ? 'ahead of' : 'behind'} this machine’s`
    const advice = 'set the clock that is wrong (NTP); events and AUTH are judged by time'
    return Math.abs(skew) < REFUSED_SKEW_S
      ? { ...finding, level: 'warn', code: 'clock-off', what, do: advice }
      : { ...finding, level: 'fail', code: 'clock-off', what, do: advice, exit: EXIT.failure }
  } catch {
    // The relay's own finding tells that it cannot be reached.
    return undefined
  }
}

const said = (error: unknown): string => escapeLine(messageOf(error), WIDTH)
