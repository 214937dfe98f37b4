import { systemClock } from '../../platform/clock.ts'
import { systemTimers } from '../../platform/timers.ts'
import { type About, showAbout } from './about.ts'
import { showAgents } from './agents.ts'
import { part } from './dom.ts'
import { showEvents } from './events.ts'
import { type Stats, showNumbers } from './numbers.ts'
import { showOwner } from './owner.ts'
import { openSocket } from './socket.ts'

// The relay's own page: runs in the browser, served by relay/http/page.ts.

const STATS_MS = 5_000
const MANAGEMENT_NIP = 86

const now = () => Math.floor(systemClock.now() / 1_000)
const url = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}`

const socket = openSocket({
  url,
  timers: systemTimers,
  onState(text, bad) {
    const state = part('state')
    state.textContent = text
    state.className = bad ? 'bad' : ''
  },
})
const redraws = [showAgents(socket, now), showEvents(socket, now)]

async function loadAbout(): Promise<void> {
  const response = await fetch('/', { headers: { accept: 'application/nostr+json' } })
  const about = (await response.json()) as About
  showAbout(about, url, systemTimers)
  if (about.supported_nips?.includes(MANAGEMENT_NIP)) showOwner({ socket, now })
}

async function loadNumbers(): Promise<void> {
  const response = await fetch('/stats')
  if (response.ok) showNumbers((await response.json()) as Stats)
}

/** Nobody looks at a hidden page: it asks for nothing. */
function tick(): void {
  if (document.visibilityState === 'visible') {
    loadNumbers().catch(() => {})
    for (const redraw of redraws) redraw()
  }
  systemTimers.after(STATS_MS, tick)
}

await loadAbout()
tick()
