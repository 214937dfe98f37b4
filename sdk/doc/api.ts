import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { DocSize } from './compact.ts'
import type { HistoryEntry, WithheldEntry } from './kept.ts'
import type { Role } from './members/roles.ts'

export interface DocMember {
  /** 64 hex. */
  readonly pubkey: string
  readonly role: Role
}

/** Something that somebody should know of. Nothing of it stops the document. */
export interface DocAlert {
  /**
   * `refused`: a member's change was none that its software could have written. `slow`: a change takes this machine too long
   * to apply; it waits, and is tried again with more time. `fork`, `control-fork`: a key wrote from two places,
   * or lies. `diverged`: of what members start from not all have the same, because a snapshot is wrong or has one side of a fork in it;
   * only an admin can end that, with a new generation. `rebuilt`: the document was made anew from what is kept. `unwritten`: local changes do not go out. `withheld`: a value that no member would take was taken
   * out of the document; `withheld()` has it. `lost`: own changes
   * could not be carried over into a new generation. `stuck`: a step failed, and will be tried at the next occasion.
   */
  readonly code:
    | 'refused'
    | 'slow'
    | 'fork'
    | 'control-fork'
    | 'diverged'
    | 'rebuilt'
    | 'unwritten'
    | 'withheld'
    | 'lost'
    | 'stuck'
  readonly message: string
  /** 64 hex: whose doing it was, where that is known. */
  readonly author?: string
  /** The event that shows it. */
  readonly event?: string
}

export interface DocStatus {
  /** Everything that a relay and this agent have is in the document. False while no relay is there, or a member's change is refused (see `alerts`). */
  readonly synced: boolean
  /** At least one relay was caught up with, and is there. */
  readonly connected: boolean
  /** Something is known to be missing, or no relay was caught up with. Reading and editing go on. */
  readonly behind: boolean
  readonly generation: number
  /** Of this agent; absent: it is no member. */
  readonly role?: Role
  readonly public: boolean
  readonly members: number
  /** Local changes are not signed yet. */
  readonly unwritten: boolean
  /** Signed changes that fewer relays than wanted have. */
  readonly unacknowledged: number
  /** This agent's decisions about the document and its members that no relay is known to have. */
  readonly unacknowledgedControls: number
  /** Changes of others that wait for one they come after. */
  readonly waiting: number
  readonly alerts: readonly DocAlert[]
  /** Why a relay does not take what is written, or why the document is too large for a snapshot, as far as known. */
  readonly error?: string
}

export interface DocEvents {
  status: DocStatus
  members: readonly DocMember[]
  alert: DocAlert
  /** A member was removed, or the document made anew: this is its Y.Doc from here on. Bind editors to it again. */
  replaced: Y.Doc
}

/** A Y.Doc that the members of a document have in common (docs/guide.md, "Shared documents"). */
export interface SharedDoc {
  /** What events call it: 32 hex. */
  readonly id: string
  /** `name`, or `npub…/name` where it is another's. */
  readonly name: string
  /** The same until `replaced` tells of another. Edit it like any Y.Doc; let nothing else load it. */
  readonly doc: Y.Doc
  /** Session of this agent's log in the current generation. */
  readonly session: string
  readonly status: DocStatus
  members(): readonly DocMember[]
  /** Who wrote when: what is remembered of the current generation, at most 500, oldest first. */
  history(): readonly HistoryEntry[]
  /**
   * Values that were taken out of the document because no member would take them (over 1 MiB, or over 64 levels), with the reason; the
   * newest 16 are kept on this machine. Everything else of the same edit goes out.
   */
  withheld(): readonly WithheldEntry[]
  /** What it weighs; costs about what encoding it does. */
  size(): DocSize
  /** 64 hex, equal for equal documents: same elements, same deletions. */
  digest(): string
  /** True once everything of a relay was applied; false after `timeoutMs` (default 30,000). First content belongs behind it. */
  whenSynced(options?: { readonly timeoutMs?: number }): Promise<boolean>
  /** Writes what is waiting now rather than in a moment. False: not possible yet; it is kept. */
  flush(): Promise<boolean>
  /** Local changes are kept and nothing is taken in until `resume`. */
  pause(): void
  resume(): void
  /** Tells members of a y-protocols Awareness (cursors, names), and it of theirs, until the function it returns is called. */
  joinAwareness(awareness: Awareness): () => void
  /** Makes somebody (npub, hex or contact name) a member, or gives it more. Default role `snapshot`. Rejects with DocError. */
  invite(who: string, role?: Role): Promise<void>
  /** To give less begins a new generation, as `remove` does. */
  setRole(who: string, role: Role): Promise<void>
  /** What it writes from here on counts nowhere, and it cannot read on: a new generation with a new key begins. */
  remove(who: string): Promise<void>
  /**
   * Begins a new generation with the same content and without its past, as `size().wantsCompaction` may advise. For admins, and for a
   * moment when the others are there: what one wrote unheard is said again only if its place in what the new one begins with can be
   * told, which needs all the rest; else it is told as `lost`.
   * Rejects with DocError `doc-not-compactable` when content would be lost.
   */
  compact(): Promise<void>
  /** Returns the function that stops listening. */
  on<K extends keyof DocEvents>(event: K, listener: (value: DocEvents[K]) => void): () => void
  /** Writes what is waiting, folds and ends; closing the agent does it, too. */
  close(options?: { readonly timeoutMs?: number }): Promise<void>
}
