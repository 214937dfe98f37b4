import { seconds } from '../../platform/clock.ts'
import type { FilterJson } from '../../protocol/index.ts'
import { type Difference, type RelayClient, reconcile, type Transfer, transfer } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { exitCodeOfReason, UsageError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { parseFilters } from '../filters.ts'
import { passphraseOf } from '../passphrase.ts'
import { givenRelay } from '../profile.ts'
import { startProgress } from '../progress.ts'
import { connectAs } from '../relay-client.ts'
import { bytesText, escapeText } from '../text.ts'
import { within } from '../wait.ts'

/** One way: what the source alone has, and what became of it. */
interface Way {
  readonly from: RelayClient
  readonly to: RelayClient
  readonly ids: ReadonlySet<string>
}

/** `posthorn sync <relay> <relay> ['<filter>']`: each gets what only the other has. */
export const sync: Command<'sync'> = async context => {
  const { options, operands, out, env, signal, timers, clock } = context
  const [one = '', two = '', text = '{}'] = operands
  const dir = options.dir
  if (dir !== 'both' && dir !== 'to' && dir !== 'from') throw new UsageError('--dir is both, to or from')
  const [filter = {}] = parseFilters([text])
  const urls = [givenRelay(one) ?? one, givenRelay(two) ?? two] as const
  if (urls[0] === urls[1]) throw new UsageError('both relays are the same')
  const patience = { timers, signal, timeoutMs: options.timeout }
  const auth = { timeoutMs: options.timeout, passphrase: passphraseOf(context) }
  const progress = startProgress(context)
  const first = await connectAs(urls[0], {}, env, auth)
  try {
    const second = await connectAs(urls[1], {}, env, auth)
    try {
      const had = [await total(first, filter, context), await total(second, filter, context)] as const
      const difference = await reconcile(first, second, filter, {
        ...patience,
        now: seconds(clock),
        onProgress: known => progress.at('comparing, differences so far', known),
      })
      progress.end()
      if (difference.by === 'paging') out.say('compared by paging: not both relays reconcile (NIP-77) this filter')
      const ways: Way[] = []
      if (dir !== 'from') ways.push({ from: first, to: second, ids: difference.first })
      if (dir !== 'to') ways.push({ from: second, to: first, ids: difference.second })
      const results: Transfer[] = []
      for (const way of ways) {
        const onProgress = (done: number) => progress.at(`to ${way.to.url}`, done, way.ids.size)
        const result = await transfer(way.from, way.to, way.ids, filter, { ...patience, onProgress })
        progress.end()
        results.push(result)
        report(way, result, had[way.from === first ? 0 : 1], context)
      }
      const bytes = first.bytes + second.bytes
      const { by, partial } = difference
      out.result(`${bytesText(bytes)} received`, { by, bytes, ...(partial.length > 0 ? { partial } : {}) })
      for (const { url, reason } of partial) out.say(`${url} may have more than was compared: ${escapeText(reason)}`)
      return worst(results, difference)
    } finally {
      progress.end()
      await second.close()
    }
  } finally {
    await first.close()
  }
}

/** How many events match, where the relay counts. */
async function total(
  client: RelayClient,
  filter: FilterJson,
  { timers, signal, options }: Context<'sync'>,
): Promise<number | undefined> {
  const count = client.count([filter]).catch(() => undefined)
  return within(count, { timers, signal, ms: Math.min(options.timeout, 5_000) })
}

function report({ from, to, ids }: Way, result: Transfer, had: number | undefined, { out }: Context<'sync'>): void {
  const { sent, duplicates, refused, invalid, unserved, reasons } = result
  const parts = [
    had === undefined ? undefined : `had ${had}`,
    `needed ${ids.size}`,
    `sent ${sent}`,
    duplicates > 0 ? `known ${duplicates}` : undefined,
    refused > 0 ? `refused ${refused}` : undefined,
    invalid > 0 ? `invalid ${invalid}` : undefined,
    unserved > 0 ? `not served ${unserved}` : undefined,
  ].filter(part => part !== undefined)
  out.result(`${from.url} to ${to.url}: ${parts.join(', ')}`, {
    from: from.url,
    to: to.url,
    ...(had === undefined ? {} : { had }),
    needed: ids.size,
    sent,
    duplicates,
    refused,
    invalid,
    unserved,
  })
  for (const [why, times] of [...reasons].slice(0, 5)) out.say(`${to.url} refused ${times}: ${escapeText(why)}`)
}

function worst(results: readonly Transfer[], { invalid, partial }: Difference): ExitCode {
  if (invalid > 0 || results.some(result => result.invalid > 0)) return EXIT.integrity
  for (const { reasons } of results) for (const why of reasons.keys()) return exitCodeOfReason(why)
  // What is not known to be there is not said to be.
  return partial.length > 0 ? EXIT.unreachable : EXIT.ok
}
