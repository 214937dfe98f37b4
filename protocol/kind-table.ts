import { type Audience, audienceOf } from './kinds.ts'

export interface KindInfo {
  readonly name: string
  readonly audience: Audience
  readonly source: string
}

const OURS = 'docs/protocol.md'

const NAMES: Readonly<Record<number, readonly [name: string, source: string]>> = {
  0: ['metadata', 'NIP-01'],
  4: ['legacy direct message', 'NIP-04'],
  5: ['deletion request', 'NIP-09'],
  62: ['request to vanish', 'NIP-62'],
  1059: ['gift wrap', 'NIP-59'],
  10002: ['relay list', 'NIP-65'],
  10050: ['inbox relays', 'NIP-17'],
  22242: ['authentication', 'NIP-42'],
  21059: ['ephemeral gift wrap', 'NIP-59'],
  8000: ['member added', 'NIP-43'],
  8001: ['member removed', 'NIP-43'],
  13534: ['member list', 'NIP-43'],
  28934: ['join request', 'NIP-43'],
  28935: ['invite', 'NIP-43'],
  28936: ['leave request', 'NIP-43'],
  4700: ['message', OURS],
  24700: ['ephemeral message', OURS],
  4701: ['receipt', OURS],
  34701: ['state delta', OURS],
  34702: ['state snapshot', OURS],
  4702: ['document control', OURS],
  24702: ['document awareness', OURS],
  14705: ['agent card', OURS],
  34706: ['presence', OURS],
  24706: ['heartbeat', OURS],
  34707: ['wake lease', OURS],
}

/** The kinds we treat by name. Everything else is stored and served by its class alone. */
export const KINDS: Readonly<Record<number, KindInfo>> = Object.fromEntries(
  Object.entries(NAMES).map(([kind, [name, source]]) => [kind, { name, audience: audienceOf(Number(kind)), source }]),
)
