import { ago, make, part, plain, shortKey } from './dom.ts'
import type { PageEvent, PageSocket } from './socket.ts'

const CARD = 14_705
const PRESENCE = 34_706
const HEARTBEAT = 24_706
/** Without a sign of life for so long an agent is asleep, as for the SDK. */
const AWAKE_S = 90
const MOST = 50

interface Agent {
  readonly pubkey: string
  card?: PageEvent
  presence?: PageEvent
  /** Last heartbeat or status, seconds since 1970. */
  seen: number
}

/** Who has a card or has said how it is, awake ones first. Returns what draws it anew as time passes. */
export function showAgents(socket: PageSocket, now: () => number): () => void {
  const agents = new Map<string, Agent>()
  const of = (pubkey: string): Agent => {
    const agent = agents.get(pubkey) ?? { pubkey, seen: 0 }
    agents.set(pubkey, agent)
    return agent
  }
  const draw = () => {
    const shown = [...agents.values()].sort(
      (a, b) => Number(isAwake(b, now())) - Number(isAwake(a, now())) || b.seen - a.seen,
    )
    if (shown.length > 0) part('agents').replaceChildren(...shown.slice(0, MOST).map(agent => item(agent, now())))
  }
  socket.follow({
    filter: { kinds: [CARD, PRESENCE], limit: 500 },
    onEvent(event) {
      const agent = of(event.pubkey)
      const slot = event.kind === CARD ? 'card' : 'presence'
      if (event.created_at >= (agent[slot]?.created_at ?? 0)) agent[slot] = event
      if (slot === 'presence' && !isGone(event)) agent.seen = Math.max(agent.seen, Math.min(event.created_at, now()))
      if (agents.size <= MOST * 4) draw()
    },
    onStored: draw,
  })
  socket.follow({
    filter: { kinds: [HEARTBEAT], limit: 0 },
    onEvent({ pubkey, created_at }) {
      of(pubkey).seen = Math.min(created_at, now())
      draw()
    },
  })
  return draw
}

const isGone = (presence: PageEvent | undefined): boolean => read(presence)['status'] === 'offline'
const isAwake = ({ presence, seen }: Agent, now: number): boolean => now - seen < AWAKE_S && !isGone(presence)

function item(agent: Agent, now: number): HTMLElement {
  const card = read(agent.card)
  const presence = read(agent.presence)
  const awake = isAwake(agent, now)
  const seen = agent.seen === 0 ? '' : `, last seen ${ago(agent.seen, now)}`
  const skills = (agent.card?.tags ?? []).filter(([name]) => name === 't').map(([, skill = '']) => plain(skill, 40))
  const activity = text(presence['activity'])
  return make(
    'li',
    {},
    make('strong', { className: awake ? 'awake' : 'asleep' }, plain(text(card['name']) || 'unnamed', 60)),
    make(
      'small',
      { title: agent.pubkey },
      ` ${awake ? 'awake' : 'asleep'}${awake ? '' : seen} · ${shortKey(agent.pubkey)}`,
    ),
    activity === '' ? undefined : make('p', {}, plain(activity, 200)),
    text(card['description']) === '' ? undefined : make('p', {}, plain(text(card['description']), 200)),
    skills.length === 0 ? undefined : make('small', {}, skills.slice(0, 12).join(' · ')),
  )
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** The content as an object; anything else is an empty one. */
function read(event: PageEvent | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(event?.content ?? '')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
