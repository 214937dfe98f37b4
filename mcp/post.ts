import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { Timers } from '../platform/timers.ts'
import type { Lookout } from '../sdk/index.ts'
import type { Mailbox } from './mailbox.ts'
import type { WakePath } from './wake-path.ts'

/** `base` is what a coding agent needs every day; `full` adds asking and shared state. */
export type ToolProfile = 'base' | 'full'

/** Everything the tools of one identity work on; shared by all connections to it. */
export interface Post {
  readonly mailbox: Mailbox
  readonly self: Self
  readonly profile: ToolProfile
  /** Looks at cards and presence where another program holds the home. */
  readonly openLookout: () => Lookout
  /** How the host of this project is woken, and whether that was seen to work. */
  readonly wakePath: WakePath
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  /** Version of the package. */
  readonly version: string
}

/** What others may know of the profile. */
export interface Self {
  readonly name: string
  /** 64 hex. */
  readonly pubkey: string
  readonly npub: string
  readonly relays: readonly string[]
  /** Where others are looked for. */
  readonly discovery?: readonly string[]
}
