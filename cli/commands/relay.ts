import { createRelay } from '../../relay/index.ts'
import type { Command, Context } from '../context.ts'
import { refuseEphemeral } from '../ephemeral-storage.ts'
import { CliError, errorCode } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { ownCommand } from '../own-command.ts'
import { openMode, relayFolder } from '../relay-folder.ts'
import { createRelayLog, errorFields, type RelayLog } from '../relay-log.ts'
import { type Address, backupSettings, relaySettings, requireAddress } from '../relay-settings.ts'
import { columns, escapeText } from '../text.ts'
import { parseKeep } from './relay-keep.ts'
import { relayReload } from './relay-reload.ts'

/** `posthorn relay`: runs until a signal, then closes in order and exits 0. */
export const relay: Command<'relay'> = async context => {
  const { options, origins, out, signal, env } = context
  const data = relayFolder(options.data, env)
  if (!options['allow-ephemeral']) refuseEphemeral(data, env)
  // The format may change while it runs.
  let write = createRelayLog(options['log-format'], context)
  const log: RelayLog = (...said) => write(...said)
  // For people in a terminal; whoever reads JSON gets the same as events.
  const talk = options['log-format'] === 'text'
  const say = (text: string, event: string, fields = {}) => (talk ? out.say(text) : log('info', event, fields))
  const metricsAt = options.metrics === undefined ? undefined : requireAddress(options.metrics)
  const backups = backupSettings(options, origins)
  const server = await createRelay({
    data,
    retention: options.keep.map(parseKeep),
    metrics: metricsAt !== undefined,
    onError: (where, error) => log('error', where, errorFields(error)),
    onSlowQuery: query => log('warn', 'slow-query', { ...query }),
    slowQueryMs: options['slow-query'],
    ...(backups === undefined ? {} : { backups }),
    onBackup: made => log('info', 'backup', { ...made }),
    ...relaySettings(options, env),
  })
  try {
    const url = await listen(options, at => server.listen(at))
    const metrics = metricsAt && (await listen(metricsAt, at => server.listenMetrics(at)))
    announce(context, url, data, server.verifier)
    say(`signatures: ${describeVerifier(server.verifier)}`, 'listening', {
      url,
      data,
      verifier: describeVerifier(server.verifier),
    })
    const mode = openMode(data)
    if (mode !== undefined) {
      const advice = `chmod go-w ${data}`
      if (talk) out.say(`warning: every user of this machine may change ${escapeText(data)} (mode ${mode}): ${advice}`)
      else log('warn', 'data-open', { data, mode, do: advice })
    }
    if (metrics !== undefined) say(`metrics: ${metrics}`, 'metrics', { url: metrics })
    context.onReload?.(
      relayReload(context, server, log, next => {
        write = next
      }),
    )
    await aborted(signal)
    say('closing …', 'closing')
  } finally {
    await server.close()
  }
  say('closed; everything acknowledged is on disk', 'closed')
  return EXIT.ok
}

async function listen({ host, port }: Address, bind: (address: Address) => Promise<string>): Promise<string> {
  try {
    return await bind({ host, port })
  } catch (cause) {
    const problem = LISTEN_PROBLEMS[errorCode(cause)]
    if (problem === undefined) throw cause
    throw new CliError(problem.code, EXIT.failure, problem.message(host, port), { hint: problem.hint, cause })
  }
}

const LISTEN_PROBLEMS: Readonly<
  Record<string, { code: string; message: (host: string, port: number) => string; hint: string }>
> = {
  EADDRINUSE: {
    code: 'port-in-use',
    message: (host, port) => `port ${port} on ${host} is in use; perhaps a relay is running already`,
    hint: 'choose another with --port N, or --port 0 for any free one',
  },
  EACCES: {
    code: 'port-not-allowed',
    message: (_host, port) => `this user may not listen on port ${port}`,
    hint: 'choose one above 1023 with --port N',
  },
  EADDRNOTAVAIL: {
    code: 'host-not-here',
    message: host => `${host} is no address of this machine`,
    hint: 'choose one with --host, such as 127.0.0.1 or 0.0.0.0',
  },
  ENOTFOUND: {
    code: 'host-not-here',
    message: host => `${host} is no name of this machine`,
    hint: 'choose one with --host, such as 127.0.0.1 or 0.0.0.0',
  },
}

type Verifier = Awaited<ReturnType<typeof createRelay>>['verifier']

function announce({ out, options, env }: Context<'relay'>, url: string, data: string, verifier: Verifier): void {
  const { paint } = out
  // Loopback by its common name: that is what people type into clients, and the default of `posthorn init`.
  const spoken = options.host === '127.0.0.1' ? url.replace('127.0.0.1', 'localhost') : url
  const port = new URL(url).port
  const command = ownCommand(env)
  const init = port === '7678' ? `${command} init` : `${command} init --relay ${spoken}`
  const next = columns([
    [`${command} demo`, paint.dim('mail to a sleeping agent, checked end to end')],
    [init, paint.dim('make a profile for yourself')],
    [`${command} send default "hello"`, paint.dim(`write to it; then ${command} inbox`)],
  ])
  out.result(
    [
      `Posthorn relay listening at ${paint.bold(spoken)}`,
      `  data  ${escapeText(data)}`,
      '  stop  Ctrl-C',
      '',
      'Try in another terminal',
      ...next,
    ].join('\n'),
    { listening: url, data, verifier: { ...verifier } },
  )
}

/** As one line: what checks signatures, and what would be faster. */
function describeVerifier({ tier, library, threads, passedOver = [] }: Verifier): string {
  const from = library === undefined ? '' : ` (${library})`
  const by = threads === undefined ? '' : `, up to ${threads} thread${threads === 1 ? '' : 's'}`
  return [`${tier}${from}${by}`, ...passedOver.map(why => `not ${why}`)].join('; ')
}

/** A signal, or the end of a parent that started this process with a channel: a relay never outlives its test. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(stop => {
    if (signal.aborted) stop()
    signal.addEventListener('abort', () => stop(), { once: true })
    if (process.connected) process.once('disconnect', () => stop())
  })
}
