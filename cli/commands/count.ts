import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { parseFilters } from '../filters.ts'
import { passphraseOf } from '../passphrase.ts'
import { relayFor } from '../profile.ts'
import { connectAs } from '../relay-client.ts'
import { timedOut } from '../timed-out.ts'
import { within } from '../wait.ts'

/** `posthorn count '<filter>'…`: how many events match any of the filters. */
export const count: Command<'count'> = async context => {
  const { options, operands, out, env, timers, signal } = context
  const filters = parseFilters(operands)
  const url = relayFor(options, env)
  const client = await connectAs(url, options, env, {
    timeoutMs: options.timeout,
    passphrase: passphraseOf(context),
  })
  try {
    const total = await within(client.count(filters), { timers, signal, ms: options.timeout })
    if (total === undefined) throw timedOut(url, options.timeout)
    out.result(String(total), { count: total })
    return EXIT.ok
  } finally {
    await client.close()
  }
}
