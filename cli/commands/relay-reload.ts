import type { Relay } from '../../relay/index.ts'
import type { Context } from '../context.ts'
import { createRelayLog, errorFields, type RelayLog } from '../relay-log.ts'
import { backupSettings, relaySettings, requireAddress } from '../relay-settings.ts'
import { RELAY_SETTINGS } from '../verbs/index.ts'
import { parseKeep } from './relay-keep.ts'

type SettingName = keyof typeof RELAY_SETTINGS

/** What a reload can change; everything else is fixed when the relay starts. */
export const RELOADABLE: ReadonlySet<string> = new Set<SettingName>([
  'keep',
  'require-auth',
  'members',
  'min-pow',
  'allow-kinds',
  'allow-origin',
  'slow-query',
  'log-format',
])

/**
 * What SIGHUP does to a relay: reads the file again (the environment of a process stays what it was), changes what can be changed with every
 * connection open, and names what needs a restart. A file with a mistake changes nothing. One reload at a time, in the order of the signals.
 */
export function relayReload(
  context: Context<'relay'>,
  server: Pick<Relay, 'change'>,
  log: RelayLog,
  useLog: (log: RelayLog) => void,
): () => void {
  const started = context.options
  let holding = context.options
  let reloading: Promise<void> = Promise.resolve()
  const reload = async () => {
    const { options, origins } = await context.readAgain()
    const differs = (name: SettingName, from: typeof options) =>
      JSON.stringify(options[name]) !== JSON.stringify(from[name])
    const names = Object.keys(RELAY_SETTINGS) as SettingName[]
    // All of it is read, so that a mistake is found now and not at the next start.
    const { policy, allowOrigins = [] } = relaySettings(options, context.env)
    backupSettings(options, origins)
    if (options.metrics !== undefined) requireAddress(options.metrics)
    const nextLog = createRelayLog(options['log-format'], context)
    const retention = options.keep.map(parseKeep)
    const changed = names.filter(name => RELOADABLE.has(name) && differs(name, holding))
    const policyChanged = changed.some(name => ['require-auth', 'members', 'min-pow', 'allow-kinds'].includes(name))
    server.change({
      retention,
      allowOrigins,
      slowQueryMs: options['slow-query'],
      // Only if it is another: a new one counts its rates from the start.
      ...(policyChanged && policy !== undefined ? { policy } : {}),
    })
    useLog(nextLog)
    holding = options
    log('info', 'reloaded', { changed: changed.join(' ') || 'nothing' })
    const fixed = names.filter(name => !RELOADABLE.has(name) && name !== 'config' && differs(name, started))
    if (fixed.length > 0) log('warn', 'needs a restart', { settings: fixed.join(' ') })
  }
  return () => {
    reloading = reloading.then(reload).catch(error => log('error', 'not reloaded, nothing changed', errorFields(error)))
  }
}
