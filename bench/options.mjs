import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** In the order they run. The first group shares one server per round, the others have one each. */
export const SCENARIOS = [
  'ingest',
  'query',
  'backfill',
  'fanout',
  'mixed',
  'open',
  'connections',
  'waking',
  'state',
  'large',
]

/** What a full run measures with; `--quick` only shows that everything works. */
const FULL = {
  events: 20_000,
  window: 64,
  ingestConnections: 4,
  queryConnections: 4,
  querySeconds: 2,
  backfillSeconds: 3,
  subscribers: 200,
  fanoutEvents: 500,
  fanoutRate: 100,
  fanoutSeconds: 3,
  mixedRate: 200,
  mixedSeconds: 5,
  mixedSubscribers: 50,
  openRates: [100, 250, 500, 1_000, 2_000, 4_000, 6_000, 8_000, 10_000],
  openSeconds: 2,
  connections: 10_000,
  idlePublishes: 200,
  idleRate: 100,
  waking: 10_000,
  stateChanges: 2_000,
  stateWrites: 100_000,
  large: 1_000_000,
  rounds: 3,
  minutes: 15,
}

const QUICK = {
  events: 400,
  querySeconds: 0.1,
  backfillSeconds: 0.1,
  subscribers: 20,
  fanoutEvents: 20,
  fanoutRate: 40,
  fanoutSeconds: 0.5,
  mixedRate: 40,
  mixedSeconds: 0.5,
  mixedSubscribers: 5,
  openRates: [50, 100],
  openSeconds: 0.5,
  connections: 100,
  idlePublishes: 20,
  idleRate: 100,
  waking: 100,
  stateChanges: 100,
  stateWrites: 500,
  large: 3_000,
  rounds: 1,
  minutes: 2,
}

export const HELP = `npm run bench -- [options]

  --quick              small counts, under a minute: shows that everything works, its figures mean nothing
  --only a,b           of ${SCENARIOS.join(', ')}
  --tiers a,b          verifiers of our relay: native, wasm, noble (default: those that work here)
  --peers a,b          peers to start: nostr-relay, y-websocket, none (default: both; with --quick none)
  --peer NAME=URL      a relay that runs already, ws://…; may be repeated
  --peer-pid NAME=PID  its process, for CPU and memory
  --rounds N           of the first five scenarios (default 3); the median counts
  --minutes N          what has not begun by then is not run (default 15)
  --events, --connections, --waking, --large N    sizes (20000, 10000, 10000, 1000000)
  --dir DIR            where relays keep their data while they are measured: a real disk (default: the temporary folder)
  --out FILE           the raw results, JSON (default: bench/results/<time>.json, for a part or --quick the temporary folder)
  --report FILE        the table, Markdown (default: bench/RESULTS.md of a full run; always on stdout)
`

/** Reads the command line. Throws TypeError on what it does not understand. */
export function readOptions(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      only: { type: 'string' },
      tiers: { type: 'string' },
      peers: { type: 'string' },
      peer: { type: 'string', multiple: true, default: [] },
      'peer-pid': { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      minutes: { type: 'string' },
      events: { type: 'string' },
      connections: { type: 'string' },
      waking: { type: 'string' },
      large: { type: 'string' },
      dir: { type: 'string' },
      out: { type: 'string' },
      report: { type: 'string' },
    },
  })
  const sizes = { ...FULL, ...(values.quick ? QUICK : {}) }
  for (const name of ['rounds', 'minutes', 'events', 'connections', 'waking', 'large'])
    if (values[name] !== undefined) sizes[name] = requireNumber(name, values[name])
  if (sizes.events < 200) throw new TypeError('--events takes at least 200, or queries have nothing to find')
  const cache = join(tmpdir(), 'posthorn-bench')
  return {
    ...sizes,
    quick: values.quick,
    help: values.help,
    /** Everything, at full size: what a published table is made of. */
    full: !values.quick && values.only === undefined && values.tiers === undefined,
    only: list(values.only, SCENARIOS, '--only') ?? SCENARIOS,
    tiers: list(values.tiers, ['native', 'wasm', 'noble'], '--tiers'),
    peers: (
      list(values.peers ?? (values.quick ? 'none' : undefined), ['nostr-relay', 'y-websocket', 'none'], '--peers') ?? [
        'nostr-relay',
        'y-websocket',
      ]
    ).filter(name => name !== 'none'),
    externals: readExternals(values.peer, values['peer-pid']),
    cache,
    dir: values.dir ?? cache,
    out: values.out,
    report: values.report,
    cores: availableParallelism(),
  }
}

function requireNumber(name, text) {
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 1)
    throw new TypeError(`--${name} takes a whole number from 1, got ${text}`)
  return number
}

function list(text, known, option) {
  if (text === undefined) return undefined
  const names = text.split(',')
  const unknown = names.find(name => !known.includes(name))
  if (unknown !== undefined) throw new TypeError(`${option} knows ${known.join(', ')}; not ${JSON.stringify(unknown)}`)
  return names
}

function readExternals(peers, pids) {
  const pair = (text, option) => {
    const at = text.indexOf('=')
    if (at < 1) throw new TypeError(`${option} takes NAME=VALUE, got ${JSON.stringify(text)}`)
    return [text.slice(0, at), text.slice(at + 1)]
  }
  const pidOf = new Map(pids.map(text => pair(text, '--peer-pid')))
  return peers.map(text => {
    const [name, url] = pair(text, '--peer')
    if (!/^ws:\/\/./.test(url)) throw new TypeError(`--peer ${name}: the load generator speaks ws:// only, got ${url}`)
    const pid = pidOf.get(name)
    return { name, url, pid: pid === undefined ? undefined : requireNumber('peer-pid', pid) }
  })
}
