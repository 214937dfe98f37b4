import { holds, median, ROWS } from './targets.mjs'

const number = value =>
  value === undefined || value === null
    ? '–'
    : Math.abs(value) >= 100
      ? Math.round(value).toLocaleString('en')
      : String(Math.round(value * 100) / 100)

const row = cells => `| ${cells.join(' | ')} |`
const table = (head, rows) => [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
const bound = ({ atLeast, atMost, unit }) =>
  atLeast !== undefined ? `≥ ${number(atLeast)} ${unit}` : atMost !== undefined ? `≤ ${number(atMost)} ${unit}` : ''

/** The whole report. `raw` is the file with all figures, relative to the report. */
export function toMarkdown(run, { raw } = {}) {
  const missing = run.missing.map(
    ({ target, scenario, round, why }) => `- ${target}, ${scenario}${round ? ` (round ${round + 1})` : ''}: ${why}`,
  )
  return `${[
    '# Benchmark results',
    'Made by a run, never by hand; [README.md](README.md) says how to repeat it and what it does not show.',
    header(run, raw),
    '## Targets',
    targetsTable(run),
    '“×” is how many times the peer’s figure of the same run ours is; of memory and CPU, how many times ours the peer’s is. In brackets the peer’s own figure.',
    ...ratios(run),
    '## All figures',
    ...scenarioTables(run),
    '## Not measured',
    missing.length === 0 ? 'Everything that was planned ran.' : missing.join('\n'),
  ].join('\n\n')}\n`
}

function header(run, raw) {
  const { machine, options } = run
  return [
    `- ${run.date.slice(0, 16).replace('T', ' ')} UTC, commit \`${run.commit?.slice(0, 12) ?? 'unknown'}\`${run.changed ? ' with local changes' : ''}, \`${run.command}\`, ${run.seconds} s`,
    `- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGb} GB, ${machine.system}; Node ${run.node}; load average before: ${machine.loadBefore}`,
    `- relays: ${run.targets
      .filter(({ kind }) => kind !== 'ceiling')
      .map(({ name, version }) => `${name}${version === undefined ? '' : ` ${version}`}`)
      .join(', ')}; up to ${options.rounds} rounds, medians`,
    ...(machine.dataInMemory
      ? ['- **the data folder is in memory: flushes cost nothing, ingest figures do not count**']
      : []),
    ...(options.quick ? ['- **a quick run: it shows that everything works, its figures mean nothing**'] : []),
    ...(raw === undefined ? [] : [`- every figure of every round: [${raw}](${raw})`]),
  ].join('\n')
}

const ours = run => run.targets.filter(({ kind }) => kind === 'posthorn')
const peersOf = run => run.targets.filter(({ kind }) => kind === 'peer' || kind === 'external')

/** Our figures per row: `[{ row, target, figures }]`, only where something was measured. */
function measured(run) {
  return ROWS.flatMap(spec =>
    ours(run)
      .filter(target => spec.for === undefined || spec.for(target))
      .map(target => ({
        spec,
        target,
        figures: spec.rules.map(rule => median(run.results, target.name, rule.scenario, rule.title, rule.pick)),
      }))
      .filter(({ figures }) => figures.some(figure => figure !== undefined)),
  )
}

function verdict(run, { spec, target, figures }) {
  const answers = spec.rules.map((rule, n) => holds(rule, figures[n]))
  if (run.options.quick || answers.every(answer => answer === undefined)) return '–'
  const result = run.results.find(
    ({ target: name, scenario }) => name === target.name && scenario === spec.rules[0].scenario,
  )
  if (spec.enough !== undefined && !spec.enough(result)) return 'not decided: too few'
  return answers.includes(false) ? '**not met**' : 'met'
}

function targetsTable(run) {
  const rows = measured(run).map(entry => {
    const { spec, target, figures } = entry
    return [
      spec.what,
      target.name,
      spec.rules.map(bound).filter(Boolean).join(', ') || '–',
      spec.rules.map((rule, n) => `${number(figures[n])} ${rule.unit}`).join(', '),
      number(cpu(run, target, spec)),
      ...peersOf(run).map(peer => ratio(run, entry, peer)),
      verdict(run, entry),
    ]
  })
  const compared = peersOf(run).map(({ name }) => `× ${name}`)
  return table(['what', 'relay', 'target', 'measured', 'server µs CPU each', ...compared, ''], rows)
}

/** CPU of the server per event, of the case that a row is about. */
const cpu = (run, target, { rules: [rule] }, title = rule.title) =>
  median(run.results, target.name, rule.scenario, title, result => result.serverCpuUsPerOperation)

function ratio(run, { spec, target, figures }, peer) {
  const [rule] = spec.rules
  const title = spec.peerTitle ?? rule.title
  const theirs = median(run.results, peer.name, rule.scenario, title, rule.pick)
  if (theirs === undefined || figures[0] === undefined) return '–'
  const times = spec.lessIsBetter ? theirs / figures[0] : figures[0] / theirs
  const work = cpu(run, peer, spec, title) / cpu(run, target, spec)
  const notes = [number(theirs), Number.isFinite(work) ? `CPU ${number(work)}×` : undefined, spec.peerTitle]
  return `${number(times)}× (${notes.filter(Boolean).join(', ')})`
}

/** Queries against each peer, shape by shape. */
function ratios(run) {
  const [lead] = ours(run)
  const asked = run.results.filter(({ scenario }) => scenario === 'query')
  const peers = peersOf(run).filter(({ name }) => asked.some(({ target }) => target === name))
  const cases = [...new Set(asked.map(result => result.case))]
  if (lead === undefined || cases.length === 0 || peers.length === 0) return []
  const of = (name, title) => median(run.results, name, 'query', title, ({ perSecond }) => perSecond)
  const rows = cases.map(title => [
    title,
    number(of(lead.name, title)),
    ...peers.map(({ name }) => {
      const theirs = of(name, title)
      return theirs === undefined ? '–' : `${number(of(lead.name, title) / theirs)}× (${number(theirs)})`
    }),
  ])
  return ['## Queries, events/s', table(['shape', lead.name, ...peers.map(({ name }) => `× ${name}`)], rows)]
}

const FIGURES = [
  ['p50 ms', ({ latencyMs }) => latencyMs?.p50],
  ['p90 ms', ({ latencyMs }) => latencyMs?.p90],
  ['p99 ms', ({ latencyMs }) => latencyMs?.p99],
  ['max ms', ({ latencyMs }) => latencyMs?.max],
  ['server µs CPU each', ({ serverCpuUsPerOperation }) => serverCpuUsPerOperation],
  ['server cores', ({ serverCores }) => serverCores],
  ['RSS MB', ({ rssMb }) => rssMb],
  ['generator cores', ({ generatorCores }) => generatorCores],
  ['bytes in, each', ({ bytes, operations }) => (bytes?.in === undefined ? undefined : bytes.in / operations)],
]

const NOTES = {
  ingest:
    'Closed loop: the next event when one was answered, a window per connection. Latency under full load is queueing.',
  open: 'Open loop: events by the clock; latency from the moment an event was due. A rate that was not kept up ends the series.',
  query: 'One question at a time per connection; latency is of a whole answer.',
  mixed: 'All three at once.',
  connections: 'RSS of the whole server process; KB per connection is its growth.',
  large:
    'Stored events with signatures that are none. Listening: from the start of the process, Node included. Cold: the first query after a start, the file not in memory. Warm: one connection.',
  state:
    'One agent writes, a raw connection listens; signatures are real and every change is synced before the next. The peer keeps documents in memory and signs nothing. Bytes are of WebSocket frames from the server, deflated as permessage-deflate with context takeover would have them, which nobody here negotiates; waking is the median of new agents in one process, without the connection, the first one apart.',
  waking: 'An SDK agent in its own process, from nothing to caught up: verified, opened, recorded in SQLite.',
}

function scenarioTables(run) {
  return [...new Set(run.results.map(({ scenario }) => scenario))].flatMap(scenario => {
    const groups = new Map()
    for (const result of run.results.filter(result => result.scenario === scenario)) {
      const key = `${result.case}\n${result.target}`
      groups.set(key, [...(groups.get(key) ?? []), result])
    }
    const columns = FIGURES.filter(([, pick]) =>
      [...groups.values()].some(group => group.some(result => pick(result) !== undefined)),
    )
    const rows = [...groups.values()].map(group => [
      group[0].case,
      group[0].target,
      `${number(middle(group.map(({ perSecond }) => perSecond)))} ${group[0].unit}${group[0].sustained === false ? ' **not kept up**' : ''}`,
      ...columns.map(([, pick]) => number(middle(group.map(pick)))),
      extras(group[0]),
    ])
    return [
      `### ${scenario}`,
      ...(NOTES[scenario] === undefined ? [] : [NOTES[scenario]]),
      table(['', 'relay', 'rate', ...columns.map(([name]) => name), ''], rows),
    ]
  })
}

function middle(values) {
  const present = values.filter(value => typeof value === 'number' && Number.isFinite(value)).sort((a, b) => a - b)
  return present[Math.floor((present.length - 1) / 2)]
}

/** Cores: from here on the load generator, which is one thread, is what was measured. */
const GENERATOR_BUSY = 0.9

/** What only some scenarios tell. */
function extras(result) {
  return [
    result.queriesPerSecond === undefined ? '' : `${number(result.queriesPerSecond)} queries/s`,
    result.connections === undefined ? '' : `${number(result.connections)} connections`,
    result.kbPerConnection === undefined ? '' : `${number(result.kbPerConnection)} KB each`,
    result.subscribers === undefined ? '' : `${result.subscribers} subscribers`,
    result.missing ? `${result.missing} missing` : '',
    result.generatorCores >= GENERATOR_BUSY ? '**the generator was the limit**' : '',
    result.shareOfVerifier === undefined
      ? ''
      : `${number(result.shareOfVerifier)} of the verifier’s ${number(result.verifierPerSecond)}/s (${number(result.verifierCpuUsPerOperation)} µs CPU each)`,
    result.bytesPerChange === undefined
      ? ''
      : `${result.bytesPerChange} bytes each, ${result.deflatedPerChange} deflated${result.allBytesPerChange === undefined ? '' : `, ${result.allBytesPerChange} with snapshots`}`,
    result.wakeKb === undefined
      ? ''
      : `${number(result.wakeKb)} KB in ${number(result.wakeMs)} ms, the first in its process ${number(result.firstWakeMs)} ms`,
    result.recordBytes === undefined
      ? ''
      : `${number(result.recordBytes)} bytes for ${number(result.jsonBytes)} of JSON`,
    result.startMs === undefined ? '' : `listening after ${number(result.startMs)} ms`,
    result.fileMb === undefined ? '' : `${number(result.fileMb)} MB of files`,
    result.coldMs === undefined ? '' : `cold ${number(result.coldMs)} ms`,
    result.agentCpuUsPerOperation === undefined
      ? ''
      : `agent: ${number(result.agentCpuUsPerOperation)} µs CPU each, peak ${number(result.agentPeakRssMb)} MB`,
  ]
    .filter(Boolean)
    .join(', ')
}
