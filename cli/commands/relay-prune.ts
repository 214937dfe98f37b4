import { pruneFolder } from '../../relay/tools.ts'
import type { Command } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { relayFolder } from '../relay-folder.ts'
import { parseKeep } from './relay-keep.ts'

/** `posthorn relay prune`: takes what the rules do not keep, from a log that no relay holds and that is sound. */
export const relayPrune: Command<'relay prune'> = async ({ options, out, env, clock, signal }) => {
  const rules = options.keep.map(parseKeep)
  if (rules.length === 0) throw new UsageError('say what to keep, like --keep 30d', 'posthorn help relay prune')
  const dryRun = options['dry-run']
  const folder = relayFolder(options.data, env)
  const { events, removals } = await pruneFolder(folder, rules, Math.floor(clock.now() / 1000), { dryRun, signal })
  out.result(`${dryRun ? 'would prune' : 'pruned'} ${events} events and ${removals} removals`, {
    events,
    removals,
    dryRun,
  })
  return EXIT.ok
}
