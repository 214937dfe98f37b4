import type { Home, World } from './history.ts'
import { type Mailbox, mailboxOf, type Sent } from './homes.ts'

const MESSAGE = 4700
const actOf = ({ event }: Sent): string => event.tags.find(([name]) => name === 'y')?.[1] ?? ''
const short = (id: string): string => id.slice(0, 8)

/** What the cursors were last held against, by world: many a step changes neither mail nor logs. */
const looked = new WeakMap<World, readonly unknown[]>()

/** Whatever an honest relay has for a home up to the home's cursor lies in its inbox. Holds at every moment. */
export async function checkCursors(world: World): Promise<void> {
  const { mesh, homes } = world
  const state: readonly unknown[] = [
    ...mesh.relays.flatMap(({ epoch, last }) => [epoch, last]),
    ...[...homes.keys()].map(name => mesh.snapshot(name)),
  ]
  const before = looked.get(world)
  if (before?.length === state.length && before.every((each, index) => each === state[index])) return
  looked.set(world, state)
  const boxes = new Map([...homes.values()].map(home => [home, mailboxOf(mesh.snapshot(home.name))]))
  const known = new Map<string, Sent>()
  for (const { outbox } of boxes.values())
    for (const sent of outbox) if (sent.event.kind === MESSAGE) known.set(sent.id, sent)
  for (const relay of mesh.relays) {
    if (world.liars.has(relay.url)) continue
    const places = await Promise.all([...known.values()].map(async sent => ({ sent, seq: await relay.seqOf(sent.id) })))
    for (const [home, { inbox, feeds }] of boxes) {
      const has = new Set(inbox.map(({ id }) => id))
      const cursor = Math.max(
        0,
        ...feeds
          .filter(feed => feed.relay === relay.url)
          .flatMap(({ positions }) => positions.filter(({ epoch }) => epoch === relay.epoch).map(({ seq }) => seq)),
      )
      for (const { sent, seq } of places)
        if (sent.to === home.pubkey && seq !== undefined && seq <= cursor && !has.has(sent.id))
          world.faults.push(`${home.name}'s cursor ${cursor} at ${relay.url} passed ${short(sent.id)} at ${seq}`)
    }
  }
}

/** What does not hold, and must once everything is healed and quiet. */
export async function faultsAtRest(lived: World): Promise<readonly string[]> {
  const faults: string[] = []
  const world = { ...lived, faults }
  const { mesh, homes } = world
  const boxes = new Map([...homes.values()].map(home => [home, mailboxOf(mesh.snapshot(home.name))]))
  for (const [home, box] of boxes) {
    checkPromises(world, home, box)
    for (const sent of box.outbox) if (sent.event.kind === MESSAGE) await checkSent(world, home, sent, boxes)
    checkOrder(world, home, box)
    checkGrowth(world, home, box)
    const { queue, relays } = home.agent.status()
    if (queue > 0) faults.push(`${home.name} still has ${queue} queued`)
    for (const { url, state, error } of relays)
      if (state !== 'live') faults.push(`${home.name} is ${state} at ${url}: ${error}`)
  }
  for (const { home, life, text, answer } of world.asks) {
    const asker = homes.get(home)
    if (asker?.life !== life || answer === `done: ${text}`) continue
    const twins = [...boxes].filter(([{ pubkey }]) => pubkey === asker.pubkey)
    const reply = twins.flatMap(([, { inbox }]) => inbox).find(mail => mail.text === `done: ${text}`)
    if (reply && (await isOutOfReach(world, asker, reply.id, boxes))) continue
    faults.push(`${home} asked "${text}" and got ${answer}`)
  }
  const lines = [...homes.values()].reduce((sum, { relays }) => sum + relays.length, 0)
  const open = mesh.relays.reduce((sum, { connections }) => sum + connections, 0)
  // Besides its own an agent may have a courier to each of the others' relays.
  if (open > homes.size * mesh.relays.length) faults.push(`${open} connections for ${lines} lines`)
  const timers = 20 + 12 * homes.size * mesh.relays.length
  if (mesh.timers > timers) faults.push(`${mesh.timers} timers, at most ${timers} are plausible`)
  return faults
}

function checkPromises(world: World, home: Home, { outbox }: Mailbox): void {
  const kept = new Set(outbox.map(({ id }) => id))
  for (const id of world.promised.get(home.name) ?? [])
    if (!kept.has(id)) world.faults.push(`${home.name} promised ${short(id)} and forgot it`)
}

/** A message its sender knows of: in every home of the recipient, handled, and its sender told so. */
async function checkSent(world: World, home: Home, sent: Sent, boxes: ReadonlyMap<Home, Mailbox>): Promise<void> {
  const { faults } = world
  const name = `${actOf(sent)} ${short(sent.id)} of ${home.name}`
  // A receipt may come before any OK, and then ends the sending.
  if (sent.state !== 'stored' && sent.state !== 'received')
    faults.push(`${name} is ${sent.state}: ${JSON.stringify(sent.copies)}`)
  let handles = false
  for (const [other, { inbox }] of boxes) {
    if (other.pubkey !== sent.to) continue
    const mail = inbox.filter(({ id }) => id === sent.id)
    if (mail.length === 0 && (await isOutOfReach(world, other, sent.id, boxes))) continue
    if (mail.length !== 1) faults.push(`${name} is ${mail.length} times with ${other.name}`)
    if (mail[0] && mail[0].event !== JSON.stringify(sent.event))
      faults.push(`${name} is another one with ${other.name}`)
    if (actOf(sent) !== 'request') continue
    handles = true
    if (mail[0] && mail[0].state !== 'done') faults.push(`${name} is ${mail[0].state} with ${other.name}`)
  }
  const receipts = home.agent.receipts(sent.id)
  const told = new Set(receipts.map(({ state }) => state))
  if (!told.has(handles ? 'done' : 'received') && !told.has('done'))
    faults.push(`${name}: ${home.name} was told ${[...told].join() || 'nothing'}`)
  for (const { state, from } of receipts) {
    if (!world.seen.get(from)?.has(sent.id)) faults.push(`${name}: ${state} by who never had it`)
    if (state === 'failed' || state === 'rejected') faults.push(`${name}: ${state}`)
  }
  if (handles) checkAnswer(world, home, sent, boxes)
}

/**
 * Nothing can bring it: the recipient had it, in another home or before it was put back, and said so, which ended the sending; no relay that it reads
 * has it but those that hid things from who asked, and nobody who sent it believes otherwise.
 */
async function isOutOfReach(
  { mesh, hiders, seen }: World,
  home: Home,
  id: string,
  boxes: ReadonlyMap<Home, Mailbox>,
): Promise<boolean> {
  if (!seen.get(home.pubkey)?.has(id)) return false
  const copies = [...boxes.values()].flatMap(({ outbox }) => outbox.find(sent => sent.id === id)?.copies ?? [])
  // One that it does not read is where the sender kept a copy for itself.
  const others = mesh.relays.filter(({ url }) => home.relays.includes(url) && !hiders.has(url))
  if (copies.some(({ relay, state }) => state === 'stored' && others.some(({ url }) => url === relay))) return false
  return (await Promise.all(others.map(relay => relay.has(id)))).every(has => !has)
}

function checkAnswer(world: World, home: Home, sent: Sent, boxes: ReadonlyMap<Home, Mailbox>): void {
  const answersIn = (box: Mailbox | undefined) =>
    box?.inbox.filter(({ replyTo, from }) => replyTo === sent.id && from === sent.to).length ?? 0
  const answers = answersIn(boxes.get(home))
  // One that only another home of the asker has is judged where it is looked at as what somebody sent.
  const twins = [...boxes].filter(([{ pubkey }]) => pubkey === home.pubkey).map(([, box]) => answersIn(box))
  const untroubled = [...world.homes.values()].every(({ pubkey, untroubled }) => pubkey !== sent.to || untroubled)
  if (Math.max(...twins) === 0 || (answers > 1 && untroubled))
    world.faults.push(`request ${short(sent.id)} of ${home.name} was answered ${answers} times`)
}

/** A relay that never went back gives its log in order, and so it arrives. */
function checkOrder(world: World, home: Home, { inbox }: Mailbox): void {
  for (const { url } of world.mesh.relays) {
    if (world.rewound.has(url) || world.liars.has(url)) continue
    let last = 0
    for (const { id, relay, seq } of inbox) {
      if (relay !== url || seq === undefined) continue
      if (seq <= last) world.faults.push(`${home.name} got ${short(id)} (${seq}) from ${url} after ${last}`)
      last = seq
    }
  }
}

function checkGrowth(world: World, home: Home, { inbox, outbox, feeds, sizes }: Mailbox): void {
  const { mesh, homes } = world
  const caps: Readonly<Record<string, number>> = {
    inbox: world.seen.get(home.pubkey)?.size ?? 0,
    // Answers and receipts: a few for each message that came.
    outbox: outbox.filter(({ event }) => event.kind === MESSAGE).length + 6 * inbox.length,
    feeds: 3 * mesh.relays.length,
    receipts: outbox.length,
    // Of every key, of the own lists, of relays to be compared, and of foreign ones asked again.
    'relay-notes': homes.size + 3,
    strangers: 0,
    // Receipts: a few for each message of any life of this key.
    seen: 6 * [...world.seen.values()].reduce((sum, { size }) => sum + size, 0),
  }
  for (const [table, size] of Object.entries(sizes))
    if (size > (caps[table] ?? 0)) world.faults.push(`${home.name} has ${size} rows in ${table}`)
  for (const { positions } of feeds)
    if (positions.length > 16) world.faults.push(`${home.name} keeps ${positions.length} positions of a feed`)
}
