import type { Command, Context } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { relayFolder } from '../relay-folder.ts'
import { createRelayLog } from '../relay-log.ts'
import { backupSettings, relaySettings, requireAddress } from '../relay-settings.ts'
import { columns, escapeText } from '../text.ts'
import { type OptionSpec, RELAY_SETTINGS } from '../verbs/index.ts'
import { parseKeep } from './relay-keep.ts'

/** `posthorn relay config`: reads and checks settings exactly as `posthorn relay` does, and starts nothing. */
export const relayConfig: Command<'relay config'> = async context => {
  const { options, origins, out, env } = context
  if (options.example) {
    out.result(exampleFile(), { example: exampleFile() })
    return EXIT.ok
  }
  const { publicUrls = [], trustedProxies = [] } = relaySettings(options, env)
  options.keep.map(parseKeep)
  createRelayLog(options['log-format'], context)
  backupSettings(options, origins)
  if (options.metrics !== undefined) requireAddress(options.metrics)
  const derived = {
    data: relayFolder(options.data, env),
    'public-url': publicUrls,
    'trusted-proxy': trustedProxies,
  }
  const settings = Object.keys(RELAY_SETTINGS)
    .filter(name => name !== 'config')
    .map(name => {
      const raw = options[name as keyof typeof options]
      const spec: OptionSpec = RELAY_SETTINGS[name as keyof typeof RELAY_SETTINGS]
      const given = spec.type === 'seconds' ? Number(raw) / 1_000 : raw
      const value = Object.hasOwn(derived, name) ? derived[name as keyof typeof derived] : given
      return { name, value: value ?? null, origin: origins[name] ?? inferred(name, value, env) }
    })
  const width = Math.max(...settings.map(({ value }) => shown(value).length))
  const rows = settings.map(({ name, value, origin }): [string, string] => [
    name,
    options['show-origin'] ? `${shown(value).padEnd(width)}  ${out.paint.dim(escapeText(origin))}` : shown(value),
  ])
  out.result(columns(rows).join('\n'), {
    settings: Object.fromEntries(settings.map(({ name, value, origin }) => [name, { value, origin }])),
  })
  return EXIT.ok
}

/** Whoever runs on Render said nothing about its proxies. */
const inferred = (name: string, value: unknown, env: Context<'relay config'>['env']): string =>
  name === 'trusted-proxy' && Array.isArray(value) && value.length > 0 && env['RENDER_EXTERNAL_URL'] !== undefined
    ? 'RENDER_EXTERNAL_URL'
    : 'default'

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '-' : escapeText(value.join(' '))
  return value === null || value === undefined ? '-' : escapeText(String(value))
}

/** Every setting, commented out, with what holds if it stays so. */
function exampleFile(): string {
  const settings = Object.entries<OptionSpec>(RELAY_SETTINGS).filter(([name]) => name !== 'config')
  return [
    '# Settings of a Posthorn relay: posthorn relay --config posthorn.toml',
    '# Flags win over the environment, the environment over this file. What is commented out has its default.',
    ...settings.flatMap(([name, option]) => [
      '',
      `# ${option.help}`,
      ...(option.env === undefined ? [] : [`# flag: --${name}; environment: ${option.env.join(', ')}`]),
      `#${name} = ${exampleValue(name, option)}`,
    ]),
  ].join('\n')
}

const EXAMPLES: Readonly<Record<string, string>> = {
  data: '"/srv/posthorn"',
  keep: '["1059:forever", "4700:90d,100000", "30d"]',
  'public-url': '["wss://relay.example.com"]',
  owner: '["npub1…"]',
  'require-auth': '"write"',
  'allow-kinds': '["1,4700,4701"]',
  'trusted-proxy': '["loopback"]',
  'allow-origin': '["https://app.example.com"]',
  metrics: '"127.0.0.1:9464"',
  'backup-dir': '"/backup/posthorn"',
}

function exampleValue(name: string, option: OptionSpec): string {
  const example = EXAMPLES[name]
  if (example !== undefined) return example
  if (option.type === 'flag') return 'false'
  if (typeof option.default === 'number') return String(option.default)
  return option.type === 'count' || option.type === 'seconds' ? '0' : JSON.stringify(option.default ?? '')
}
