import type { Control } from './control.ts'
import { may, type Role } from './roles.ts'

/** Two control events of one admin behind the same one: it runs twice, or lies. */
export interface ControlFork {
  readonly author: string
  /** Both ids; the lower one counts. */
  readonly ids: readonly [string, string]
}

export interface Chain {
  /** From the first to the one that is in force. Empty: the owner has not begun, as far as is known. */
  readonly controls: readonly Control[]
  readonly forks: readonly ControlFork[]
}

export const roleIn = (control: Control | undefined, pubkey: string): Role | undefined =>
  control?.members.find(member => member.pubkey === pubkey)?.role

/**
 * The chain that everybody who has the same control events comes to, in whatever order they came. Where two follow the same event,
 * the one by the more senior admin counts (the owner first), of one admin's the lower id: so nobody who is removed can undo it by
 * deciding something else at the same place.
 */
export function foldChain(events: Iterable<Control>, o: string, owner: string): Chain {
  const following = new Map<string | undefined, Control[]>()
  for (const control of events) {
    if (control.o !== o) continue
    const siblings = following.get(control.previous) ?? []
    following.set(control.previous, [...siblings, control])
  }
  const controls: Control[] = []
  const forks: ControlFork[] = []
  let last: Control | undefined
  for (;;) {
    const here = last
    const candidates = (following.get(here?.id) ?? []).filter(next => mayFollow(next, here, owner))
    const [winner, ...others] = candidates.sort(
      (a, b) => seniority(a, here) - seniority(b, here) || (a.id < b.id ? -1 : 1),
    )
    if (winner === undefined) return { controls, forks }
    for (const { author, id } of others) if (author === winner.author) forks.push({ author, ids: [winner.id, id] })
    controls.push(winner)
    last = winner
  }
}

const seniority = ({ author }: Control, here: Control | undefined): number =>
  here === undefined ? 0 : here.members.findIndex(({ pubkey }) => pubkey === author)

/** Whether an event may say what it says behind another one. */
function mayFollow(next: Control, here: Control | undefined, owner: string): boolean {
  // The owner stays: else a document could be taken from who it is named after.
  if (roleIn(next, owner) !== 'admin') return false
  if (here === undefined)
    return (
      next.n === 0 &&
      next.author === owner &&
      next.members[0]?.pubkey === owner &&
      next.generation === 0 &&
      next.base === undefined
    )
  if (next.n !== here.n + 1 || !may(roleIn(here, next.author), 'admin') || !keepsSeniority(here, next)) return false
  if (next.generation === here.generation)
    return next.commitment === here.commitment && next.base === here.base && !takesAway(here, next)
  return next.generation === here.generation + 1 && next.base !== undefined && isNewKey(here, next)
}

/** Who stays keeps its rank, who is new comes last: else an admin could put itself before those who may remove it. */
function keepsSeniority(here: Control, next: Control): boolean {
  const now = next.members.map(({ pubkey }) => pubkey)
  const stayed = here.members.flatMap(({ pubkey }) => (now.includes(pubkey) ? [pubkey] : []))
  return stayed.every((pubkey, rank) => now[rank] === pubkey)
}

/** Public stays public, and what is private never becomes readable to who was removed. */
const isNewKey = (here: Control, next: Control): boolean =>
  here.commitment === undefined
    ? next.commitment === undefined
    : next.commitment !== undefined && next.commitment !== here.commitment

/** Somebody may less than before: only a new generation says up to where it counts. */
export const takesAway = (here: Control, next: Pick<Control, 'members'>): boolean =>
  here.members.some(({ pubkey, role }) => {
    const now = next.members.find(member => member.pubkey === pubkey)?.role
    return !may(now, role)
  })
