import { seconds } from '../../platform/clock.ts'
import { type Dependency, MAX_DEPS } from '../../protocol/state.ts'
import { coveredUpTo, type MutableCover, setEntry } from '../state/log/cover.ts'
import type { Log, Place } from '../state/log/types.ts'
import type { Assembly } from './assembly.ts'
import type { DocHost } from './host.ts'
import type { Kept } from './kept.ts'
import type { LocalEdits } from './local-edits.ts'
import { roleIn } from './members/chain.ts'
import type { Control } from './members/control.ts'
import { may } from './members/roles.ts'
import { cut } from './parts.ts'
import type { DeltaPayload, StatePayload } from './payload.ts'
import { cutUpdate } from './update/cut.ts'
import { updateSince, type Withheld, withdrawUnwritable } from './withhold.ts'

/** A write that takes longer than this is kept on disk while it waits, ms. */
const KEEP_AFTER_MS = 1_000

export interface OutgoingOptions {
  readonly host: DocHost
  readonly kept: Kept
  readonly assembly: Assembly
  readonly edits: LocalEdits
  readonly log: Log<DeltaPayload, StatePayload>
  /** The one that this document's client id is bound to. */
  readonly session: string
  readonly client: number
  /** The control event in force. */
  control(): Control
  /** What relays have of the own key is known, and nothing holds the document. */
  isOpen(): boolean
  /** Local changes cannot be written: why. They stay in the document. */
  onUnwritten(reason: string): void
  /** An element that others would refuse was taken out of the document, and is kept aside. */
  onWithheld(withheld: Withheld): void
  /** The document has to be made anew from what is kept. */
  onBroken(reason: string): void
  onWritten(): void
  onSettled(): void
}

/** Local changes on their way into the log: judged as others will judge them, cut into parts, with what they come after. */
export interface Outgoing {
  /** Writes local changes now. False: not possible yet; they are kept. */
  flush(): Promise<boolean>
  readonly busy: boolean
  /** Local changes outlast this process. */
  keep(): void
}

export function createOutgoing(options: OutgoingOptions): Outgoing {
  const { host, kept, assembly, edits, log, session, client, control } = options
  const { replica, applied, whole } = assembly
  const self = host.signer.pubkey
  /** What own deltas have said that they come after. */
  const said: MutableCover = new Map()
  /** Pieces of taken edits that are not written yet; they follow each other. */
  const pieces: Uint8Array[] = []
  let writing: Promise<boolean> | undefined

  const keep = () => kept.keepLocal(client, [...pieces, ...edits.list()])

  /** A relay that is away may keep a write waiting for long: what waits has to outlast this process. */
  async function writeKeeping(): Promise<boolean> {
    const cancel = host.timers.after(KEEP_AFTER_MS, keep, { background: true })
    try {
      return await writeAll()
    } finally {
      cancel()
      for (const piece of pieces.splice(0).reverse()) edits.putBack(piece)
      keep()
    }
  }

  async function writeAll(): Promise<boolean> {
    while (pieces.length > 0 || !edits.isEmpty) {
      if (!may(roleIn(control(), self), 'write')) {
        options.onUnwritten('this key may read the document, not write; ask an admin for the role "write".')
        return false
      }
      if (!options.isOpen()) return false
      if (pieces.length === 0) {
        const update = edits.take()
        if (update === undefined) return true
        pieces.push(...cutUpdate(update))
      }
      const [piece] = pieces
      if (piece === undefined) return true
      try {
        if (!(await write(piece))) return false
      } catch (error) {
        options.onUnwritten(error instanceof Error ? error.message : String(error))
        return false
      }
    }
    return true
  }

  /** Writes the first piece, or takes out of the document what others would refuse in it. */
  async function write(piece: Uint8Array): Promise<boolean> {
    const judged = replica.judge(piece, client)
    if (!judged.ok) return withdraw(judged.error)
    if (log.session !== session) {
      options.onBroken('this key has written from elsewhere')
      return false
    }
    const waits = depsOf(judged.value.refersTo)
    const parts = cut(piece)
    // More than one event can name go in front, in events without anything else.
    const groups = chunk(waits, MAX_DEPS)
    for (const deps of groups.slice(0, -1)) await put({ more: true, bytes: new Uint8Array() }, deps)
    const last = groups.at(-1) ?? []
    for (const [index, bytes] of parts.entries()) {
      const more = index < parts.length - 1
      await put({ more, bytes }, index === 0 ? last : [], place => {
        if (more) return
        replica.wrote(judged.value)
        setEntry(whole, self, place.session, { n: place.n, id: place.id.slice(0, 16) })
      })
    }
    pieces.shift()
    for (const { author, session: of, n } of waits) setEntry(said, author, of, { n })
    options.onWritten()
    return true
  }

  /**
   * What is encoded of a deleted element fits always: the elements that others would refuse are deleted here, kept aside and named, and
   * everything else goes out.
   */
  function withdraw(reason: string): boolean {
    const withheld = withdrawUnwritable(replica.doc, client, replica.clockOf(client))
    if (withheld.length === 0) {
      options.onUnwritten(
        `others would refuse this change: ${reason}. Let nothing else but this provider load the document.`,
      )
      return false
    }
    // The deletions are edits now, and so is the rest, as it stands in the document.
    edits.take()
    pieces.splice(0, pieces.length, ...cutUpdate(updateSince(replica.doc, client, replica.clockOf(client))))
    for (const each of withheld) {
      kept.withhold({ ...each, at: seconds(host.clock) })
      options.onWithheld(each)
    }
    return true
  }

  async function put(
    payload: DeltaPayload,
    deps: readonly Dependency[],
    then?: (place: Place & { readonly id: string }) => void,
  ): Promise<void> {
    await log.write(payload, {
      deps,
      control: control().id,
      commit(place) {
        const { n, id } = place
        kept.addDelta({ author: self, session: place.session, n, id, deps, ...payload }, seconds(host.clock))
        setEntry(applied, self, place.session, { n, id: id.slice(0, 16) })
        then?.(place)
      },
    })
  }

  function depsOf(clients: ReadonlySet<number>): Dependency[] {
    const deps: Dependency[] = []
    for (const each of clients) {
      const writer = assembly.writerOf(each)
      if (!writer) continue
      const n = coveredUpTo(whole, writer.author, writer.session)
      if (n > coveredUpTo(said, writer.author, writer.session)) deps.push({ ...writer, n })
    }
    return deps
  }

  return {
    async flush() {
      // An edit made while others are written may come too late for that: it is written by another round.
      while (writing) await writing.catch(() => false)
      if (edits.isEmpty) return true
      writing = writeKeeping().finally(() => {
        writing = undefined
        options.onSettled()
      })
      return writing
    },
    get busy() {
      return writing !== undefined
    },
    keep,
  }
}

function chunk<T>(list: readonly T[], size: number): T[][] {
  const groups: T[][] = []
  for (let at = 0; at < list.length; at += size) groups.push(list.slice(at, at + size))
  return groups
}
