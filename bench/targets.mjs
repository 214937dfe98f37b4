import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { ceiling } from './servers/ceiling.mjs'
import { external, nostrRelay, yWebsocket } from './servers/peers.mjs'
import { hasTiers, posthorn, TIERS } from './servers/posthorn.mjs'

/** Whoever can be measured here: `{ targets, absent }`. Our relay with its fastest verifier comes first. */
export async function findTargets(options, scratch, signal, say) {
  const targets = []
  const absent = []
  for (const candidate of hasTiers() ? (options.tiers ?? TIERS).map(posthorn) : [posthorn()])
    try {
      const server = await candidate.start(mkdtempSync(join(scratch, 'try-')))
      await server.stop()
      targets.push(candidate)
    } catch (error) {
      absent.push({ target: candidate.name, scenario: 'everything', why: error.message })
      say(`${candidate.name}: not here: ${error.message}`)
    }
  if (options.peers.includes('nostr-relay') && options.only.some(name => name !== 'state'))
    try {
      targets.push(await nostrRelay(signal, say))
    } catch (error) {
      signal.throwIfAborted()
      absent.push({ target: 'nostr-relay', scenario: 'everything', why: error.message, failed: true })
      say(`nostr-relay: ${error.message}`)
    }
  if (options.peers.includes('y-websocket') && options.only.includes('state'))
    try {
      targets.push(await yWebsocket(signal, say))
    } catch (error) {
      signal.throwIfAborted()
      absent.push({ target: 'y-websocket', scenario: 'state', why: error.message, failed: true })
      say(`y-websocket: ${error.message}`)
    }
  targets.push(...options.externals.map(({ name, url, pid }) => external(name, url, pid)), ceiling)
  return { targets, absent }
}
