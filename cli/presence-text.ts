import { npubOf, type Presence, type PresenceState } from '../sdk/index.ts'
import type { Paint } from './output.ts'
import { ago, escapeLine, shorten } from './text.ts'

/** How each state is shown: a mark that also says it without colour, and the word. */
const MARKS: Readonly<Record<PresenceState, string>> = {
  online: '●',
  suspect: '◐',
  asleep: '☾',
  offline: '○',
  unknown: '?',
}
const ACTIVITY_WIDTH = 60

/** Names of contacts first; others by what they say of themselves, in quotes, and by key. */
export const whoText = (pubkey: string, known: string | undefined, claimed?: string): string =>
  known !== undefined
    ? escapeLine(known)
    : [...(claimed ? [`“${escapeLine(claimed, 24)}”`] : []), shorten(npubOf(pubkey))].join(' ')

export const stateText = (state: PresenceState, paint: Paint): string => {
  const text = `${MARKS[state]} ${state}`
  return state === 'online' ? paint.green(text) : state === 'offline' ? paint.dim(text) : text
}

/** What an agent says it is doing, and until when it sleeps; empty if it says nothing. */
export function doingText(presence: Presence, nowSeconds: number): string {
  const { activity, mood, acceptsWork, wakesAt, state } = presence
  return [
    ...(activity === undefined ? [] : [`“${escapeLine(activity, ACTIVITY_WIDTH)}”`]),
    ...(mood === undefined ? [] : [`mood “${escapeLine(mood, 20)}”`]),
    ...(acceptsWork === false ? ['takes no work'] : []),
    ...(wakesAt === undefined || state === 'online' ? [] : [wakesText(wakesAt, nowSeconds)]),
    ...(presence.at === undefined ? [] : [`said ${ago(presence.at, nowSeconds)}`]),
  ].join(', ')
}

function wakesText(at: number, now: number): string {
  const left = at - now
  if (left <= 0) return 'was to wake before now'
  if (left < 120) return `wakes in ${left} s`
  return left < 7_200 ? `wakes in ${Math.round(left / 60)} min` : `wakes in ${Math.round(left / 3_600)} h`
}

/** One key's presence in `--json`. */
export const presenceFields = (presence: Presence, name: string | undefined) => ({
  npub: npubOf(presence.pubkey),
  ...(name === undefined ? {} : { contact: name }),
  ...presence,
})
