import type { SyncSummary } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { until } from './clocks.ts'
import { note } from './known.ts'
import { foldState, type Standing } from './own-state.ts'
import type { Place } from './place.ts'
import {
  type Claim,
  count,
  deadIn,
  endedIn,
  type Home,
  homeOf,
  inboxOf,
  namesOf,
  type Sent,
  type World,
} from './world.ts'

/** What is under way between relay and agent has so long to arrive before a claim that outran it counts as false. */
const UNDER_WAY_MS = 4_000

const MESSAGE = 4700
const STATE_KINDS = [34_701, 34_702]
const short = (id: string): string => id.slice(0, 8)

export function fault(world: World, claim: Claim, text: string): void {
  note(world, `${claim}: ${text}`)
}

export const placeAt = (world: World, url: string | undefined): Place | undefined =>
  world.places.find(place => place.url === url)

/** It serves who asks, and all it has. */
const isHonest = (place: Place) => place.isUp && !place.isStalled && !place.hides

export type Waiting = ReadonlyMap<Place, ReadonlySet<string>>

/** The ids of the mail for a home that each of its relays has now. */
export async function waitingFor(home: Home): Promise<Waiting> {
  const found = new Map<Place, ReadonlySet<string>>()
  for (const place of home.relays) {
    const mail = await place.log({ kinds: [MESSAGE], '#p': [home.pubkey] })
    found.set(place, new Set(mail.map(({ id }) => id)))
  }
  return found
}

const missing = (inbox: ReadonlySet<string> | undefined, ids: ReadonlySet<string>): string[] =>
  [...ids].filter(id => !inbox?.has(id))

/** What each home has got by now. What it was told of a message is read before this. */
export function noteInboxes(world: World): void {
  for (const home of world.homes.values()) {
    const had = world.had.get(home.pubkey) ?? new Set()
    world.had.set(home.pubkey, had)
    for (const id of inboxOf(home) ?? []) had.add(id)
  }
}

/** "stored at R" of a message: R has had it. */
export function holdStored(world: World, home: Home, id: string, relay: string | undefined, who: string): void {
  const place = placeAt(world, relay)
  count(world.held, 'stored')
  if (place && !place.drops && !namesOf(home, id).some(place.everHad))
    fault(world, 'stored', `${who} says that ${short(id)} is stored at relay ${place.number}, which never had it`)
}

/** "it waits there for X". */
export function holdWaits(world: World, to: string, relay: string | undefined, who: string): void {
  count(world.held, 'waits there')
  const recipient = homeOf(world, to)
  if (!recipient.relays.some(({ url }) => url === relay))
    fault(
      world,
      'waits there',
      `${who} says that it waits at relay ${placeAt(world, relay)?.number} for ${to}, who reads ${recipient.relays.map(({ number }) => number)}`,
    )
}

/** A relay that its recipient reads has had it; of one on another machine, some relay: where it reads may not be known. */
function wasTaken(world: World, home: Home, { id, to }: Pick<Sent, 'id' | 'to'>): boolean {
  const places = world.plan.layout === 'together' ? homeOf(world, to).relays : world.places
  return namesOf(home, id).some(name => places.some(place => place.everHad(name))) || wasHad(world, home, { id, to })
}

/** Somebody with this key has had it in an inbox. */
export const wasHad = (world: World, home: Home, { id, to }: Pick<Sent, 'id' | 'to'>): boolean =>
  namesOf(home, id).some(name => world.had.get(homeOf(world, to).pubkey)?.has(name))

/** Nothing that this home took is left in it: all of it is at a relay, or told as given up. */
export function holdOutbox(world: World, home: Home, claim: Claim): void {
  count(world.held, claim)
  if (world.places.some(({ drops }) => drops)) return
  const ended = endedIn(home)
  for (const sent of home.sent)
    if (!sent.isForgotten && !ended.has(sent.id) && !wasTaken(world, home, sent))
      fault(world, claim, `${home.name} has nothing unsent, and ${short(sent.id)} is at no relay that ${sent.to} reads`)
}

/** The writes of a home that must be the last word on their keys, by key. */
export function lastWrites(home: Home): ReadonlyMap<string, string | undefined> {
  const last = new Map<string, string | undefined>()
  for (const [index, { key, value, isForgotten, isUnsure }] of home.writes.entries())
    if (isUnsure) last.delete(key)
    else if (!isForgotten && index >= home.writesAtRestore) last.set(key, value)
  return last
}

const textOf = (value: unknown): string => JSON.stringify(String(value).slice(0, 8))

const everWritten = (world: World): NostrEvent[] => world.places.flatMap(place => place.ever(STATE_KINDS))

/** What its home has that no relay was ever given, by key. */
export function unpublished(world: World, home: Home): readonly string[] {
  const standing = foldState(everWritten(world), home.pubkey)
  return [...lastWrites(home)].flatMap(([key, value]) =>
    standing.get(key)?.value === value
      ? []
      : `${key} is ${textOf(value)} with ${home.name} and ${textOf(standing.get(key)?.value)} at the relays`,
  )
}

/** Everything that was set is at a relay. */
export function holdPublished(world: World, home: Home, claim: Claim): void {
  count(world.held, claim)
  if (world.places.some(({ drops }) => drops)) return
  for (const what of unpublished(world, home)) fault(world, claim, what)
}

/** `sync` or `catchup` says complete: what was there before it began is here. */
export function holdComplete(
  world: World,
  home: Home,
  { relays }: Pick<SyncSummary, 'relays'>,
  before: Waiting,
  who: string,
): void {
  count(world.held, 'complete')
  const inbox = inboxOf(home)
  for (const { relay, status, suspect, invalid } of relays) {
    const place = placeAt(world, relay)
    // Of one that served damaged events it says so itself.
    if (!place || status !== 'live' || place.hides || invalid > 0 || suspect) continue
    const lacking = missing(inbox, before.get(place) ?? new Set())
    if (lacking.length > 0)
      fault(
        world,
        'complete',
        `${who} is caught up with relay ${place.number} and lacks ${lacking.map(short)}${place.forges ? ', which had forged' : ''}`,
      )
  }
}

/** After a step: what every agent that runs says now. */
export async function holdAll(world: World): Promise<void> {
  const claims = [...world.homes.values()].flatMap(home => (home.agent ? [{ home, agent: home.agent }] : []))
  const told = claims.map(({ home, agent }) => ({
    home,
    agent,
    status: agent.status(),
    deliveries: home.sent.map(sent => ({ sent, delivery: agent.delivery(sent.id) })),
  }))
  noteInboxes(world)
  for (const { home, status, deliveries } of told) {
    if (status.queue === 0) holdOutbox(world, home, 'queue empty')
    for (const { sent, delivery } of deliveries) {
      if (delivery?.state === 'stored') holdStored(world, home, sent.id, delivery.relay, home.name)
      if (delivery?.state !== 'received' && delivery?.state !== 'done') continue
      count(world.held, 'received')
      if (!wasHad(world, home, sent))
        fault(world, 'received', `${home.name} says that ${sent.to} has ${short(sent.id)}, which it never had`)
    }
  }
  for (const { home } of told) {
    await holdLive(world, home)
    for (const [author, view] of home.views)
      await holdView(world, home, homeOf(world, author), key => (view.status.behind ? undefined : [view.get(key)]))
  }
}

/** `live` at a relay: what it has for this agent is here, or will be in a moment. */
async function holdLive(world: World, home: Home): Promise<void> {
  const waiting = await waitingFor(home)
  for (const [place, ids] of waiting) {
    if (!isHonest(place) || place.forges) continue
    const isLive = () => home.agent?.status().relays.some(({ url, state }) => url === place.url && state === 'live')
    if (!isLive()) continue
    count(world.held, 'live')
    const isSo = await until(UNDER_WAY_MS, () => !isLive() || missing(inboxOf(home), ids).length === 0)
    if (!isSo)
      fault(
        world,
        'live',
        `${home.name} is live at relay ${place.number} and lacks ${missing(inboxOf(home), ids).map(short)}`,
      )
  }
}

/** Which write of its author a value is. */
const indexOf = (value: unknown): number => (typeof value === 'string' ? Number(value.split(':')[0]) : -1)

function isAsNew(author: Home, key: string, seen: unknown, { value }: Standing): boolean {
  if (seen === value || indexOf(seen) > indexOf(value)) return true
  // Removed since.
  return (
    seen === undefined &&
    author.writes.some((write, at) => write.key === key && write.value === undefined && at > indexOf(value))
  )
}

/** What each relay says now of an author. */
export async function standingAt(author: Home): Promise<readonly ReadonlyMap<string, Standing>[]> {
  const all: ReadonlyMap<string, Standing>[] = []
  for (const place of author.relays)
    all.push(foldState(await place.log({ kinds: STATE_KINDS, authors: [author.pubkey] }), author.pubkey))
  return all
}

/**
 * A reader that is not behind has what one relay of its author has at least. `read` gives what it says of a key, undefined if it claims nothing (any
 * more).
 */
export async function holdView(
  world: World,
  reader: Home,
  author: Home,
  read: (key: string) => readonly [unknown] | undefined,
  before?: readonly ReadonlyMap<string, Standing>[],
): Promise<void> {
  if (read('') === undefined || author.relays.some(place => !isHonest(place) || place.forges)) return
  // What a reader that was put back says of one that was is not for sure.
  if (author.restores > 0 || world.places.some(({ rewinds }) => rewinds > 0)) return
  count(world.held, 'not behind')
  const all = before ?? (await standingAt(author))
  const has = (standing: ReadonlyMap<string, Standing>) =>
    [...standing].every(([key, each]) => {
      const said = read(key)
      return said === undefined || isAsNew(author, key, said[0], each)
    })
  const isSo = await until(before ? 0 : UNDER_WAY_MS, () => read('') === undefined || all.some(has))
  if (!isSo)
    fault(world, 'not behind', `${reader.name} reads ${author.name} and has less than each of its relays, not behind`)
}

/** What `doctor` found, as it prints it. */
export interface Found {
  readonly check: string
  readonly level: string
  readonly what: string
  readonly about?: string
}

/** Each finding of `doctor`, and its "all well": what is not well is at least told. */
export function holdDoctor(
  world: World,
  home: Home,
  {
    findings,
    isWell,
    before,
  }: { readonly findings: readonly Found[]; readonly isWell: boolean; readonly before: Waiting },
): void {
  const tells = (about: RegExp) => findings.some(({ check, what }) => about.test(check) || about.test(what))
  for (const { check, what, about } of findings) {
    if (check === 'outbox' && what === 'empty') holdOutbox(world, home, 'outbox empty')
    const place = placeAt(world, about)
    if (check !== 'relay' || !place || place.hides || !/\bcaught up\b/.test(what)) continue
    const lacking = missing(inboxOf(home), before.get(place) ?? new Set())
    if (lacking.length > 0 && !/not caught up/.test(what))
      fault(
        world,
        'complete',
        `doctor has ${home.name} caught up with relay ${place.number}: ${lacking.map(short)}${place.forges ? ', which had forged' : ''}`,
      )
  }
  if (!isWell) return
  count(world.held, 'all well')
  const say = (what: string) => fault(world, 'all well', `${home.name}: ${what}`)
  if (home.damaged) say(`${home.damaged.file} is damaged`)
  for (const place of home.relays) {
    if (!place.isUp) say(`relay ${place.number} is away`)
    if (place.isStalled) say(`relay ${place.number} does not answer`)
    if (place.refusal === 'read') say(`relay ${place.number} refuses it`)
  }
  if (Math.abs(home.skewMs) >= 600_000) say(`its clock is ${home.skewMs / 1000} s off`)
  const dead = deadIn(home)
  if (dead.size > 0 && !tells(/given up|dead|refused/)) say(`${[...dead].map(short)} were given up`)
  if (world.places.some(({ drops }) => drops) || tells(/^state$/)) return
  for (const what of unpublished(world, home)) say(what)
}

/** Somebody who is told to knows how to reach the other: by the disk they share, a hint, or a relay that both use. */
export const isReachable = ({ plan }: World, from: Home, to: Home): boolean =>
  plan.layout !== 'apart' || from.relays.some(place => to.relays.includes(place))

/** Said of those who know each other and use no relay in common. */
const apart = (one: Home, other: Home): string =>
  (one.relays.some(place => other.relays.includes(place)) ? '' : ', no relay in common') +
  (other.wasSkewed ? ', written by a wrong clock' : '')

/** What does not hold, and must once everything is healed and quiet. */
export async function faultsAtRest(world: World): Promise<readonly string[]> {
  const found: string[] = []
  noteInboxes(world)
  for (const home of world.homes.values()) {
    const { agent, name } = home
    if (!agent) continue
    const { queue, relays } = agent.status()
    if (queue > 0) found.push(`${name} still has ${queue} queued`)
    for (const { url, state, error } of relays)
      if (state !== 'live' || error !== undefined)
        found.push(`${name} is ${state} at relay ${placeAt(world, url)?.number}: ${error}`)
    const inbox = inboxOf(home)
    for (const [place, ids] of await waitingFor(home))
      if (!place.hides)
        for (const id of missing(inbox, ids))
          found.push(`${name} lacks ${short(id)}, which is at relay ${place.number}`)
    for (const sent of home.sent) {
      const why = await lostBetween(world, home, sent.id, homeOf(world, sent.to), sent.isForgotten)
      if (why) found.push(why)
    }
    found.push(...(await statesAtRest(world, home)))
  }
  return found
}

/** A message that was taken and is neither with its recipient nor told as given up. */
async function lostBetween(
  world: World,
  from: Home,
  id: string,
  to: Home,
  isForgotten: boolean,
): Promise<string | undefined> {
  const names = namesOf(from, id)
  const inbox = inboxOf(to)
  if (names.some(name => inbox?.has(name)) || deadIn(from).has(id) || !isReachable(world, from, to)) return undefined
  const held: boolean[] = []
  for (const place of to.relays) for (const name of names) held.push(await place.has(name))
  // Its own home forgot it, or its recipient did and had said that it has it: then only relays can bring it.
  if ((isForgotten || wasHad(world, from, { id, to: to.name })) && !held.includes(true)) return undefined
  if (world.places.some(({ drops, hides }) => drops || hides)) return undefined
  return `${short(id)} of ${from.name} to ${to.name} is ${from.agent?.delivery(id)?.state} and not there${apart(from, to)}`
}

async function statesAtRest(world: World, author: Home): Promise<readonly string[]> {
  const { agent } = author
  if (!agent || author.writes.length === 0 || world.places.some(({ drops }) => drops)) return []
  const found: string[] = []
  const last = lastWrites(author)
  const own = await agent.state.entries()
  for (const [key, value] of last)
    if (own.values[key] !== value)
      found.push(
        `${author.name} has ${key} ${textOf(own.values[key])}, and wrote ${textOf(value)}${author.wasSkewed ? ', written by a wrong clock' : ''}`,
      )
  // Where nothing was ever written (a key was removed that nobody had), a reader rightly does not know where to look: no lists are published.
  const wasPublished = everWritten(world).some(({ pubkey }) => pubkey === author.pubkey)
  for (const reader of world.homes.values()) {
    const view = reader.views.get(author.name)
    if (!view || !isReachable(world, reader, author) || author.relays.some(({ hides }) => hides)) continue
    const { values } = view.content()
    if (view.status.behind && wasPublished)
      found.push(`${reader.name} is behind with ${author.name}${apart(reader, author)}`)
    for (const key of new Set([...Object.keys(values), ...Object.keys(own.values)]))
      if (values[key] !== own.values[key])
        found.push(
          `${reader.name} has ${key} of ${author.name} ${textOf(values[key])}, which is ${textOf(own.values[key])}${apart(reader, author)}`,
        )
  }
  return found
}
