import type { Paint } from '../output.ts'
import { escapeLine, plural } from '../text.ts'
import type { Figures, Latency, Look } from './look.ts'
import type { Roster } from './roster.ts'

const PLOT_WIDTH = 60
/** Columns before the value of a fact, columns for the note behind the plot, and bars at least. */
const FACT_AT = 17
const PLOT_NOTE = 20
const MIN_PLOT = 10
const BARS = '▁▂▃▄▅▆▇█'
const MOST_AGENTS = 12

/** Everything that is shown of one look, as lines. */
export function topPage(
  { relay, look, figures, roster }: { relay: string; look: Look; figures: Figures; roster: Roster | undefined },
  paint: Paint,
  width = Number.POSITIVE_INFINITY,
): string {
  const { stats, answerMs } = look
  const fact = (name: string, value: string) => `  ${paint.dim(name.padEnd(14))} ${escapeLine(value, width - FACT_AT)}`
  const facts: [string, string | undefined][] = [
    ['up for', duration(stats.uptimeS)],
    ['answers in', `${answerMs.toFixed(answerMs < 10 ? 1 : 0)} ms`],
    ['connections', `${count(stats.connections)}${optional(figures.opened, rate => `, ${perSecond(rate)} new`)}`],
    ['subscriptions', count(stats.subscriptions)],
    ['slow readers', figures.slowReaders === undefined ? undefined : count(figures.slowReaders)],
    ['wills', figures.wills === undefined ? undefined : count(figures.wills)],
    ['log head', `${count(stats.head.last)} in epoch ${stats.head.epoch}`],
    ['log grows', figures.logRate === undefined ? undefined : perSecond(figures.logRate)],
    ['published', figures.published === undefined ? undefined : perSecond(figures.published)],
    ['delivered', figures.delivered === undefined ? undefined : perSecond(figures.delivered)],
    ['commit', latencyText(figures.commit)],
    ['verify', latencyText(figures.verify)],
    ['query', latencyText(figures.query)],
  ]
  return [
    paint.bold(escapeLine(relay, Math.min(width, 120))),
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [fact(name, value)])),
    ...plot(stats.recent, paint, width),
    ...(roster === undefined ? [] : ['', ...rosterLines(roster, paint, width)]),
  ].join('\n')
}

function rosterLines({ awake, asleep, agents }: Roster, paint: Paint, width: number): string[] {
  const shown = agents.slice(0, MOST_AGENTS)
  return [
    `  ${paint.green(`● ${awake} awake`)}   ${paint.dim(`○ ${asleep} asleep`)}`,
    ...shown.map(({ name, isAwake, doing }) => {
      const line = `    ${escapeLine(`${isAwake ? '●' : '○'} ${name}${doing === '' ? '' : `  ${doing}`}`, width - 4)}`
      return isAwake ? line : paint.dim(line)
    }),
    ...(agents.length > shown.length ? [`    and ${plural(agents.length - shown.length, 'more agent')}`] : []),
  ]
}

/** The last minutes as bars; nothing where nothing is known yet. */
function plot(recent: readonly number[], paint: Paint, width: number): string[] {
  const samples = recent.slice(-Math.max(MIN_PLOT, Math.min(PLOT_WIDTH, width - FACT_AT - PLOT_NOTE)))
  if (samples.length < 2) return []
  const most = Math.max(...samples)
  const bar = (sample: number) =>
    BARS[most === 0 ? 0 : Math.min(BARS.length - 1, Math.round((sample / most) * (BARS.length - 1)))] ?? ''
  return [
    `  ${paint.dim('of late'.padEnd(14))} ${samples.map(bar).join('')} ${paint.dim(`at most ${perSecond(most)}`)}`,
  ]
}

const optional = <T>(value: T | undefined, text: (value: T) => string): string =>
  value === undefined ? '' : text(value)
const count = (value: number): string => Math.round(value).toLocaleString('en')
const perSecond = (rate: number): string => `${rate < 10 ? rate.toFixed(1) : count(rate)}/s`

const latencyText = (latency: Latency | undefined): string | undefined =>
  latency && `half in ${bound(latency.p50)}, 99 % in ${bound(latency.p99)}`

const bound = (seconds: number): string => (Number.isFinite(seconds) ? `≤ ${seconds * 1_000} ms` : 'more than measured')

function duration(seconds: number): string {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600), Math.floor(seconds / 60)]
  if (days > 0) return `${plural(days, 'day')} ${hours % 24} h`
  if (hours > 0) return `${hours} h ${minutes % 60} min`
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`
}
