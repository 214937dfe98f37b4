// What runs, in which order. A stage is one server and what is asked of it; rounds go through all targets before the next
// begins, so that a machine that changes its mood does so for everybody.
import { backfill } from './scenarios/backfill.mjs'
import { connections } from './scenarios/connections.mjs'
import { fanout } from './scenarios/fanout.mjs'
import { ingest, openIngest } from './scenarios/ingest.mjs'
import { large } from './scenarios/large.mjs'
import { mixed } from './scenarios/mixed.mjs'
import { query } from './scenarios/query.mjs'
import { state } from './scenarios/state.mjs'
import { waking } from './scenarios/waking.mjs'

const FILLED = [
  ['query', query],
  ['backfill', backfill],
  ['fanout', fanout],
  ['mixed', mixed],
]
const APART = [
  ['open', openIngest],
  ['connections', connections],
  ['waking', waking],
  ['state', state],
  ['large', large],
]

/** A further round of filling a relay that took longer than this for the first one is not worth the time, s. */
export const SLOW_FILL_S = 20

/** Which scenarios make sense for a target; `lead` is the tier that everything is measured with, the others differ in ingest only. */
function suits(name, target, lead) {
  if (target.only !== undefined) return target.only.includes(name)
  if (target.kind === 'ceiling') return ['ingest', 'query', 'fanout'].includes(name)
  if (target.kind === 'posthorn' && target !== lead) return name === 'ingest' || name === 'open'
  if (name === 'waking' || name === 'state' || name === 'large') return target.kind === 'posthorn'
  return true
}

/** `[{ target, round, scenarios, seconds }]`; `seconds` is a guess, to tell how far along the run is. */
export function planStages(targets, options) {
  const lead = targets.find(({ kind }) => kind === 'posthorn')
  const chosen = (name, target) => options.only.includes(name) && suits(name, target, lead)
  const stages = []
  for (let round = 0; round < options.rounds; round++)
    for (const target of targets) {
      if (target.kind === 'ceiling' && round > 0) continue
      const after = FILLED.filter(([name]) => chosen(name, target))
      if (after.length === 0 && !chosen('ingest', target)) continue
      // Everything behind it needs the events, so it is done even when nobody asked for its figures.
      const scenarios = [['ingest', ingest], ...after]
      stages.push({ target, round, scenarios, seconds: guess(scenarios, target, options) })
    }
  for (const [name, run] of APART)
    for (const target of targets)
      if (chosen(name, target)) {
        const scenarios = [[name, run]]
        stages.push({ target, round: 0, scenarios, seconds: guess(scenarios, target, options) })
      }
  return stages
}

/** Events a second, before anything is known. */
const SPEED = { native: 8_000, wasm: 3_000, noble: 600 }

function guess(scenarios, target, options) {
  const speed = target.kind === 'ceiling' ? 40_000 : (SPEED[target.tier] ?? (target.kind === 'peer' ? 300 : 600))
  const seconds = {
    ingest: options.events / speed,
    query: 9 * options.querySeconds * 1.3,
    backfill: 2 * options.backfillSeconds + 2,
    fanout: (options.fanoutEvents * options.subscribers) / 30_000 + options.fanoutSeconds + 1,
    mixed: options.mixedSeconds + 1,
    open: options.openRates.filter(rate => rate < speed * 1.5).length * (options.openSeconds + 0.5) + 3,
    connections: options.connections / 1_500 + options.idlePublishes / options.idleRate + 4,
    large: options.large / 15_000 + 25,
    state: options.stateChanges / 100 + options.stateWrites / 5_000 + 15,
    waking: options.waking / speed + options.waking / 500,
  }
  return scenarios.reduce((sum, [name]) => sum + seconds[name], 1)
}
