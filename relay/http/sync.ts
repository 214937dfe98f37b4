import { onAbort } from '../../platform/on-abort.ts'
import { commonOfCursorUnknown, REASONS, reason } from '../../protocol/reasons.ts'
import { Follower, type Outlet } from '../follower.ts'
import type { Asker } from '../log/asker.ts'
import type { LogRow } from '../log/store.ts'
import { askerOf } from '../policy/asking.ts'
import { chargedAs } from '../policy/rates.ts'
import type { HttpHost } from './host.ts'
import type { HttpAuth } from './nip98.ts'
import { json, type Reply, refusal } from './reply.ts'
import { authenticate, type Handler } from './request.ts'
import { parseSyncQuery, type SyncQuery } from './sync-query.ts'

interface Page {
  readonly rows: readonly LogRow[]
  /** Everything matching up to here is on this page. */
  readonly seq: number
  readonly complete: 'finish' | 'more'
  readonly floor: number
}

/**
 * GET /sync: one page of the log, as a REQ with `since_seq` would be answered up to its EOSE. With nothing to tell and a `wait`,
 * the answer comes with the next match, or when the time is over.
 */
export function createSync(host: HttpHost, auth: HttpAuth): Handler {
  const waits = new Waits(host)
  return async request => {
    const authenticated = await authenticate(request, auth)
    if (!authenticated.ok) return authenticated.error
    const query = parseSyncQuery(request.query, host.limits)
    if (!query.ok) return refusal(query.error)
    const { filters, cursor, gone, wait } = query.value
    const keys = authenticated.value
    const sender = { ...request.peer, keys }
    const denied = host.refuseRead(filters, sender) ?? (await host.judge(cursor))
    if (denied !== undefined) return refuse(denied)
    const answer = (page: Page) => json(200, encodePage(host, query.value, keys, page))
    const asker = askerOf(sender, request, () => request.gone.aborted)
    let page = await readPage(host, query.value, keys, cursor.seq, asker)
    if (wait === 0 || hasNews(page)) return answer(page)
    const place = waits.enter(chargedAs(sender), wait * 1_000, request.gone)
    if (place === undefined) return refuse(reason('rate-limited', 'too many requests are waiting; ask without wait'))
    try {
      while (!place.over.aborted && !hasNews(page)) {
        await arrival(host, { filters, keys, gone, asker }, page.seq, place.over)
        // Also when time is over: the cursor moves on although nothing matched.
        page = await readPage(host, query.value, keys, page.seq, asker)
      }
    } finally {
      place.leave()
    }
    return answer(page)
  }
}

const hasNews = ({ rows, complete }: Page): boolean => rows.length > 0 || complete === 'more'

function refuse(message: string): Reply {
  const common = commonOfCursorUnknown(message)
  if (common !== undefined) return refusal(message, { message, common }, 409)
  return message === REASONS.behind ? refusal(message, { message }, 503) : refusal(message)
}

/** Ends at its size, at the head, or where the answer is big enough. */
async function readPage(
  { source, limits }: HttpHost,
  { filters, gone, size }: SyncQuery,
  keys: readonly string[],
  since: number,
  asker: Asker,
): Promise<Page> {
  const rows: LogRow[] = []
  let seq = since
  let bytes = 0
  let floor = 1
  for (;;) {
    const limit = size - rows.length
    const batch = await source.store.readLog({ filters, keys, gone, after: seq, limit, now: source.now(), asker })
    rows.push(...batch.entries)
    seq = Math.max(seq, batch.upTo)
    floor = Math.max(floor, batch.floor)
    if (batch.upTo >= batch.last) return { rows, seq, complete: 'finish', floor }
    for (const row of batch.entries) bytes += row.op === 'stored' ? row.json.length : 0
    if (rows.length >= size || bytes >= limits.outboundHighBytes / 4) return { rows, seq, complete: 'more', floor }
  }
}

/** Resolves when a live subscription of these filters would be told something after `position`, or when `over`. */
function arrival(
  { live, source }: HttpHost,
  asked: Pick<SyncQuery, 'filters' | 'gone'> & { readonly keys: readonly string[]; readonly asker: Asker },
  position: number,
  over: AbortSignal,
): Promise<void> {
  return new Promise(resolve => {
    if (over.aborted) return resolve()
    const done = () => {
      stopListening()
      follower.close()
      live.remove(follower)
      resolve()
    }
    const outlet: Outlet = {
      send: done,
      sendParts: done,
      sendRun: done,
      closeSubscription: done,
      congested: false,
      inTurn: run => run(),
    }
    const follower = new Follower({ ...asked, sub: 'sync', mode: 'log' }, outlet, source)
    const stopListening = onAbort(over, done)
    live.add(follower)
    void follower.follow(position)
  })
}

/** Events go out as the text they are stored as. */
function encodePage(host: HttpHost, { filters, gone }: SyncQuery, keys: readonly string[], page: Page): string {
  const { epoch, scope, withheld } = host.hints(filters, keys)
  const { seq, complete, floor, rows } = page
  const events: string[] = []
  const removals: object[] = []
  for (const row of rows) {
    if (row.op === 'stored') events.push(`{"seq":${row.seq},"event":${row.json}}`)
    else if (row.op === 'vanished') removals.push({ seq: row.seq, pubkey: row.target, cause: row.op })
    else removals.push({ seq: row.seq, id: row.target, cause: row.op })
  }
  const head = JSON.stringify({ seq, epoch, scope, complete, floor, withheld }).slice(0, -1)
  return `${head},"events":[${events.join(',')}]${gone ? `,"gone":${JSON.stringify(removals)}` : ''}}`
}

/** Places to wait in: bounded in all and per client. */
class Waits {
  readonly #host: HttpHost
  readonly #byClient = new Map<string, number>()
  #total = 0

  constructor(host: HttpHost) {
    this.#host = host
  }

  /** Undefined if there is none. It is over after `ms`, when the client is gone, or when the relay stops. */
  enter(client: string, ms: number, gone: AbortSignal): { readonly over: AbortSignal; leave(): void } | undefined {
    const { limits, timers, stopping } = this.#host
    const own = this.#byClient.get(client) ?? 0
    if (this.#total >= limits.syncWaits || own >= limits.syncWaitsPerClient) return undefined
    this.#total += 1
    this.#byClient.set(client, own + 1)
    const over = new AbortController()
    const end = () => over.abort()
    const cancel = timers.after(ms, end, { background: true })
    if (gone.aborted || stopping.aborted) end()
    const stopListening = [gone, stopping].map(signal => onAbort(signal, end))
    return {
      over: over.signal,
      leave: () => {
        cancel()
        for (const stop of stopListening) stop()
        this.#total -= 1
        const left = (this.#byClient.get(client) ?? 1) - 1
        if (left === 0) this.#byClient.delete(client)
        else this.#byClient.set(client, left)
      },
    }
  }
}
