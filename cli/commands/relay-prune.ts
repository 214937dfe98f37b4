import { seconds } from '../../platform/clock.ts'
import type { Command } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { relayFolder } from '../relay-folder.ts'
import { runRelayTool } from '../relay-tool/index.ts'
import { parseKeep } from './relay-keep.ts'

/** `posthorn relay prune`: takes what the rules do not keep, from a log that no relay holds and that is sound. */
export const relayPrune: Command<'relay prune'> = async context => {
  const { options, out, env, clock } = context
  const rules = options.keep.map(parseKeep)
  if (rules.length === 0) throw new UsageError('say what to keep, like --keep 30d', 'posthorn help relay prune')
  const dryRun = options['dry-run']
  const folder = relayFolder(options.data, env)
  const report = await runRelayTool({ tool: 'prune', folder, rules, now: seconds(clock), dryRun }, context)
  if (report === undefined) return EXIT.interrupted
  const { events, removals } = report
  out.result(`${dryRun ? 'would prune' : 'pruned'} ${events} events and ${removals} removals`, {
    events,
    removals,
    dryRun,
  })
  return EXIT.ok
}
