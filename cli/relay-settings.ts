import { resolve } from 'node:path'
import { isVerifierSetting, VERIFIER_TIERS, type VerifierSetting } from '../platform/verifier-tier.ts'
import { defaultLimits, type LimitName, type Limits } from '../protocol/limits.ts'
import { trustProxies } from '../relay/address.ts'
import type { BackupSchedule } from '../relay/backups.ts'
import { type EoseHintsSetting, type RelayOptions, type SaneOptions, saneDefaults } from '../relay/index.ts'
import { resolveRecipient } from '../sdk/index.ts'
import type { Options } from './args.ts'
import { UsageError } from './errors.ts'
import type { RELAY_SETTINGS } from './verbs/index.ts'

/** What `relay` and `relay config` have in common. */
type RelayOptionValues = Pick<Options<'relay'>, keyof typeof RELAY_SETTINGS>

type Settings = Pick<
  RelayOptions,
  | 'publicUrls'
  | 'owners'
  | 'policy'
  | 'search'
  | 'deflate'
  | 'eoseHints'
  | 'trustedProxies'
  | 'allowOrigins'
  | 'verifier'
  | 'limits'
>

const HOUR_MS = 3_600_000

/** Options that set a limit of the relay (`protocol/limits.ts`). */
const LIMIT_OPTIONS = {
  'max-connections': 'connections',
  'max-connections-per-address': 'connectionsPerAddress',
  'max-subscriptions': 'subscriptions',
  'max-filters': 'filters',
  'max-filter-values': 'filterValues',
  'max-tags': 'tags',
  'max-content-bytes': 'contentBytes',
  'max-event-bytes': 'eventBytes',
  'max-frame-bytes': 'frameBytes',
  'created-at-past': 'createdAtPast',
  'created-at-future': 'createdAtFuture',
  'events-per-minute': 'eventsPerMinute',
  'requests-per-minute': 'requestsPerMinute',
} as const satisfies Partial<Record<keyof RelayOptionValues, LimitName>>

/** What a frame needs besides the event. */
const FRAME_EXTRA_BYTES = 1_024

/** The limits that are not the defaults. Throws {@link UsageError} for those that do not fit each other. */
export function limitSettings(options: Pick<RelayOptionValues, keyof typeof LIMIT_OPTIONS>): Partial<Limits> {
  const limits: { [K in LimitName]?: number } = {}
  for (const [option, name] of Object.entries(LIMIT_OPTIONS) as [keyof typeof LIMIT_OPTIONS, LimitName][]) {
    const value = options[option]
    // No event is older than everything.
    if (name === 'createdAtPast' && value === 0) limits[name] = Number.MAX_SAFE_INTEGER
    else if (value === 0) throw new UsageError(`--${option} is at least 1`)
    else if (value !== defaultLimits[name]) limits[name] = value
  }
  if (options['max-content-bytes'] > options['max-event-bytes'])
    throw new UsageError('--max-content-bytes is above --max-event-bytes: no such event could be stored')
  if (options['max-event-bytes'] + FRAME_EXTRA_BYTES > options['max-frame-bytes'])
    throw new UsageError(
      `--max-frame-bytes is at least ${options['max-event-bytes'] + FRAME_EXTRA_BYTES}: an event comes in one frame`,
    )
  return limits
}

/** What stands between Render's router and us: its private network, behind Cloudflare. */
const RENDER_PROXIES = ['private', 'cloudflare']

/** The options of `posthorn relay` that say who may connect, write and read. Throws {@link UsageError}. */
export function relaySettings(options: RelayOptionValues, env: Readonly<Record<string, string | undefined>>): Settings {
  const proxies = options['trusted-proxy']
  const publicUrls = options['public-url']
  const limits = limitSettings(options)
  return {
    ...(publicUrls.length === 0 ? {} : { publicUrls: publicUrls.map(requireUrl) }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    owners: options.owner.map(requireOwner),
    trustedProxies: requireBlocks(proxies.length > 0 || !env['RENDER_EXTERNAL_URL'] ? proxies : RENDER_PROXIES),
    allowOrigins: options['allow-origin'],
    verifier: requireVerifier(options.verifier),
    search: !options['no-search'],
    ...(options.deflate ? { deflate: true } : {}),
    ...(options['eose-hints'] === 'asked' ? {} : { eoseHints: requireEoseHints(options['eose-hints']) }),
    policy: saneDefaults(restrictions(options)),
  }
}

/** Scheduled backups, if a folder was named. Throws {@link UsageError}. */
export function backupSettings(
  options: Pick<RelayOptionValues, 'backup-dir' | 'backup-every' | 'backup-keep'>,
  origins: Readonly<Record<string, string>>,
): BackupSchedule | undefined {
  const [directory, hours, keep] = [options['backup-dir'], options['backup-every'], options['backup-keep']]
  for (const [name, value] of [
    ['backup-every', hours],
    ['backup-keep', keep],
  ] as const) {
    if (value === 0) throw new UsageError(`--${name} is at least 1; without --backup-dir there are no backups`)
    if (directory === undefined && origins[name] !== undefined)
      throw new UsageError(`${origins[name]} says how to make backups, but no --backup-dir says where`)
  }
  return directory === undefined ? undefined : { directory: resolve(directory), everyMs: hours * HOUR_MS, keep }
}

export interface Address {
  readonly host: string
  readonly port: number
}

/** `9464`, `0.0.0.0:9464` or `[::1]:9464`; by itself a port is this machine's alone. Throws {@link UsageError}. */
export function requireAddress(text: string): Address {
  const [, host, digits] = /^(?:(\[[0-9a-f:.]+\]|[^:[\]]+):)?(\d{1,5})$/i.exec(text) ?? []
  if (digits === undefined || Number(digits) > 65_535)
    throw new UsageError(`--metrics takes a port, or host:port, got ${JSON.stringify(text)}`)
  return { host: host?.replace(/^\[|\]$/g, '') ?? '127.0.0.1', port: Number(digits) }
}

function restrictions(options: RelayOptionValues): SaneOptions {
  const requireAuth = options['require-auth']
  if (requireAuth !== undefined && requireAuth !== 'write' && requireAuth !== 'read' && requireAuth !== 'all')
    throw new UsageError('--require-auth is write, read or all')
  const kinds = options['allow-kinds'].flatMap(list => list.split(',')).map(requireKind)
  const minPow = options['min-pow']
  return {
    members: options.members,
    ...(requireAuth === undefined ? {} : { requireAuth }),
    ...(kinds.length === 0 ? {} : { allowKinds: kinds }),
    ...(minPow === undefined ? {} : { minPow }),
  }
}

function requireKind(text: string): number {
  if (!/^\d{1,5}$/.test(text.trim()) || Number(text) > 65_535)
    throw new UsageError(`--allow-kinds takes numbers from 0 to 65535, got ${JSON.stringify(text)}`)
  return Number(text)
}

function requireVerifier(tier: string): VerifierSetting {
  if (isVerifierSetting(tier)) return tier
  throw new UsageError(`--verifier is auto, ${VERIFIER_TIERS.join(', ')}, got ${JSON.stringify(tier)}`)
}

function requireEoseHints(text: string): EoseHintsSetting {
  if (text === 'asked' || text === 'always') return text
  throw new UsageError(`--eose-hints is asked or always, got ${JSON.stringify(text)}`)
}

function requireBlocks(blocks: readonly string[]): readonly string[] {
  try {
    trustProxies(blocks)
    return blocks
  } catch (cause) {
    throw new UsageError(`--trusted-proxy: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}

function requireUrl(url: string): string {
  if (!/^(?:wss?|https?):\/\/./.test(url) || !URL.canParse(url))
    throw new UsageError(`--public-url takes a URL like wss://relay.example.com, got ${JSON.stringify(url)}`)
  return url
}

function requireOwner(text: string): string {
  try {
    return resolveRecipient(text, [])
  } catch {
    // Not quoted: somebody may have pasted a secret key.
    throw new UsageError('--owner takes an npub, or a public key of 64 hex characters')
  }
}
