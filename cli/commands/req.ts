import { onAbort } from '../../platform/on-abort.ts'
import type { EoseHints, FilterJson, NostrEvent } from '../../protocol/index.ts'
import { type RelayClient, RelayRefusedError } from '../../sdk/index.ts'
import type { Command, Context } from '../context.ts'
import { CliError, UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { parseFilters } from '../filters.ts'
import { passphraseOf } from '../passphrase.ts'
import { relayFor } from '../profile.ts'
import { connectAs } from '../relay-client.ts'
import { escapeText, plural } from '../text.ts'
import { timedOut } from '../timed-out.ts'

/** Events asked for per page of the log. */
const PAGE = 500

/** What one query came to. */
interface Answer {
  readonly events: number
  readonly invalid: number
  readonly hints: EoseHints
}

/** `posthorn req '<filter>'…`: stored events on stdout, one JSON per line; exits after the last unless `--follow`. */
export const req: Command<'req'> = async context => {
  const { options, operands, env } = context
  const filters = parseFilters(operands)
  const client = await connectAs(relayFor(options, env), options, env, {
    timeoutMs: options.timeout,
    passphrase: passphraseOf(context),
  })
  try {
    const answer = options.log ? await pages(client, filters, context) : await query(client, filters, context)
    if (answer.invalid > 0) {
      context.out.say(`${plural(answer.invalid, 'event')} did not verify or was not asked for, and was dropped`)
      return EXIT.integrity
    }
    return answer.events > 0 || options.follow ? EXIT.ok : EXIT.empty
  } finally {
    await client.close()
  }
}

/** Log order from the filters' own position, page after page, until the relay says it was all. */
async function pages(client: RelayClient, filters: readonly FilterJson[], context: Context<'req'>): Promise<Answer> {
  const [first] = filters
  let position = { since_seq: first?.since_seq ?? 0, ...(first?.epoch === undefined ? {} : { epoch: first.epoch }) }
  if (filters.some(filter => filter.since_seq !== first?.since_seq || filter.epoch !== first?.epoch))
    throw new UsageError('one log query has one position: give all filters the same since_seq and epoch, or none')
  let events = 0
  let invalid = 0
  for (;;) {
    const page = filters.map(filter => ({ ...filter, ...position, limit: PAGE }))
    const { hints, ...answer } = await query(client, page, context)
    events += answer.events
    invalid += answer.invalid
    if (hints.seq === undefined || hints.epoch === undefined)
      throw new CliError('no-log', EXIT.failure, `${client.url} keeps no log order`, { hint: 'leave out --log' })
    if (hints.complete !== 'more' || context.signal.aborted) return { events, invalid, hints }
    position = { since_seq: hints.seq, epoch: hints.epoch }
  }
}

/** One REQ: prints what comes, resolves after EOSE, or, live, when the command is interrupted or the relay ends it. */
function query(client: RelayClient, filters: readonly FilterJson[], context: Context<'req'>): Promise<Answer> {
  const { options, signal, timers } = context
  return new Promise((resolve, reject) => {
    let events = 0
    let answered: EoseHints | undefined
    let cancel = timers.after(options.timeout, () => finish(timedOut(client.url, options.timeout)))
    const finish = (error?: Error) => {
      cancel()
      stopListening()
      request.close()
      if (error !== undefined) reject(error)
      else resolve({ events, invalid: request.invalid, hints: answered ?? {} })
    }
    const stopListening = onAbort(signal, () => finish())
    const request = client.request(filters, {
      onEvent(event, seq) {
        events += 1
        printEvent(event, seq, context)
        if (answered !== undefined) return
        // The time limit is on silence: a long answer that keeps coming is no failure.
        cancel()
        cancel = timers.after(options.timeout, () => finish(timedOut(client.url, options.timeout)))
      },
      onEose(hints) {
        cancel()
        answered = hints
        const stays = options.follow && hints.complete !== 'more'
        if (!options.log || hints.complete !== 'more') announceEnd(hints, context)
        if (!stays || signal.aborted) finish()
      },
      onClosed(reason) {
        finish(new RelayRefusedError(client.url, reason))
      },
    })
    if (signal.aborted) finish()
  })
}

const printEvent = (event: NostrEvent, seq: number | undefined, { out }: Context<'req'>): void =>
  out.line(out.json ? { v: 1, event, ...(seq === undefined ? {} : { seq }) } : event)

/** Where the stored part ended: scripts resume from there. */
function announceEnd(hints: EoseHints, { out, options }: Context<'req'>): void {
  if (hints.withheld === true) out.say('some of these kinds are served to their parties only and were left out')
  if (out.json) out.line({ v: 1, eose: hints })
  else if (options.log && hints.seq !== undefined)
    out.say(
      `up to seq ${hints.seq}; go on later with "since_seq":${hints.seq},"epoch":"${escapeText(hints.epoch ?? '')}"`,
    )
}
