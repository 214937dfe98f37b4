import { createMemoryStore, createRelay, type Relay } from 'posthorn/relay'
import { expect, onTestFinished, test } from 'vitest'
import { sharedVerifier } from '../../helpers/shared-verifier.ts'
import { alice, bob, eventually, memoryAgent } from '../agents.ts'

interface Told {
  readonly behind: boolean
  readonly live: number
}

/** A relay that is stopped and started at one address. */
async function relayAtOneAddress() {
  let relay: Relay | undefined
  let port = 0
  const start = async (): Promise<string> => {
    relay = await createRelay({ store: createMemoryStore(), verifier: await sharedVerifier() })
    const url = await relay.listen({ port })
    port = Number(new URL(url).port)
    return url
  }
  const stop = async () => relay?.close()
  onTestFinished(stop)
  return { url: await start(), start, stop }
}

test.each(['view', 'board'] as const)(
  'a %s says when it was read, when it is followed no longer, and nothing twice',
  async kind => {
    const { url, start, stop } = await relayAtOneAddress()
    await stop()
    const reader = await memoryAgent(bob, url, { speed: 20 })
    const opened =
      kind === 'view'
        ? await reader.openState(alice.pubkey)
        : await reader.openBoard('plan', { members: [alice.pubkey, bob.pubkey] })
    expect(opened.status.behind).toBe(true)
    const told: Told[] = []
    const cancel = opened.on('status', status => {
      // What is told is what reading it says.
      expect(status).toEqual(opened.status)
      told.push(status)
    })
    await start()
    const owner = await memoryAgent(alice, url, { speed: 20 })
    await owner.state.set('mood', 'curious')
    expect(await owner.state.flush(20_000)).toBe(true)
    await eventually('it is told that it was read', () => told.at(-1)?.behind === false && told.at(-1)?.live === 1)
    await stop()
    await eventually('it is told that it is not followed', () => told.at(-1)?.live === 0)
    const texts = told.map(status => JSON.stringify(status))
    for (const [n, text] of texts.entries()) expect(text).not.toBe(texts[n - 1])
    cancel()
    const { length } = told
    await start()
    await eventually('it is followed again', () => opened.status.live === 1)
    expect(told).toHaveLength(length)
  },
)
