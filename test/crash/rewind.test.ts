import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Agent, openAgent } from 'posthorn'
import type { NostrEvent } from 'posthorn/protocol'
import { createRelay, type Relay } from 'posthorn/relay'
import { describe, expect, onTestFinished, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { sharedVerifier } from '../helpers/shared-verifier.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { connect, seqOf } from '../relay/wire.ts'
import { JournalClient } from './journal-client.ts'
import { startRelayProcess } from './relay-process.ts'

const alice = person('alice')
let made = 0
const note = (): NostrEvent => {
  made += 1
  return alice.sign({ created_at: nowSeconds() - 5_000 + made, content: `note ${made}` })
}
const card = (): NostrEvent => {
  made += 1
  return alice.sign({ kind: 10_001, created_at: nowSeconds() - 5_000 + made })
}

async function write(url: string, ...events: NostrEvent[]): Promise<number[]> {
  const wire = await connect(url)
  const seqs: number[] = []
  for (const event of events) seqs.push(seqOf(await wire.publish(event)))
  wire.socket.terminate()
  return seqs
}
const notes = (count: number) => Array.from({ length: count }, note)

/** A data folder, its relay, and a copy of the folder to be put back. */
function folder(): { data: string; keep(): void; putBack(): void } {
  const root = tempDir()
  const [data, copy] = [join(root, 'data'), join(root, 'copy')]
  return {
    data,
    keep: () => cpSync(data, copy, { recursive: true }),
    putBack() {
      rmSync(data, { recursive: true })
      cpSync(copy, data, { recursive: true })
    },
  }
}

/** What is there, by a client that has never been here before. */
async function present(url: string): Promise<Set<string>> {
  const fresh = new JournalClient({})
  await fresh.catchUp(url)
  return fresh.ids
}

describe('a data folder is put back to an older copy and written on', () => {
  test('copied after SIGKILL: positions of the lost run are unknown, those before it hold', async () => {
    const { data, keep, putBack } = folder()
    const [older, newer, other] = [new JournalClient({}), new JournalClient({}), new JournalClient({ kinds: [1] })]
    const first = await startRelayProcess(data)
    await write(first.url, ...notes(6), card(), card(), note()) // 1…10
    await older.catchUp(first.url, 4)
    await newer.catchUp(first.url)
    await first.kill()
    keep()
    expect(older.cursor?.seq).toBeLessThan(10)

    const second = await startRelayProcess(data)
    const lost = [...notes(8), card()]
    expect((await write(second.url, ...lost)).at(-1)).toBe(19)
    await newer.catchUp(second.url)
    await other.catchUp(second.url)
    expect(newer.refusals).toEqual([])
    await second.kill()
    putBack()

    const third = await startRelayProcess(data)
    expect((await write(third.url, ...notes(20))).at(-1)).toBe(30)
    for (const client of [newer, other]) {
      await client.catchUp(third.url)
      expect(client.refusals).toEqual(['invalid: cursor-unknown common:0'])
    }
    await older.catchUp(third.url)
    expect(older.refusals).toEqual([])
    const there = await present(third.url)
    expect(there.size).toBe(6 + 1 + 1 + 20)
    expect(newer.ids).toEqual(there)
    expect(older.ids).toEqual(there)
    expect(newer.told).toHaveLength(20) // from the last position of the run before, not from the start
    expect(other.ids.size).toBe(27)
    for (const { id } of lost) expect(there).not.toContain(id)
    // And from here on all is as ever.
    await third.kill()
    const fourth = await startRelayProcess(data)
    await write(fourth.url, note())
    for (const client of [newer, older]) {
      await client.catchUp(fourth.url)
      expect(client.refusals).toEqual([])
      expect(client.told).toHaveLength(1)
    }
    expect(await fourth.stop()).toBe(0)
  })

  test('copied in the middle of a run: common names the last position that both saw', async () => {
    const { data, keep, putBack } = folder()
    const [before, within, after] = [new JournalClient({}), new JournalClient({}), new JournalClient({})]
    const first = await startRelayProcess(data)
    await write(first.url, ...notes(5))
    await before.catchUp(first.url)
    await write(first.url, ...notes(5))
    await within.catchUp(first.url)
    keep() // nobody is writing
    await write(first.url, ...notes(7), card())
    await after.catchUp(first.url)
    expect(after.cursor?.seq).toBe(18)
    await first.kill()
    putBack()

    const second = await startRelayProcess(data)
    await write(second.url, ...notes(15))
    const there = await present(second.url)
    for (const client of [before, within, after]) await client.catchUp(second.url)
    expect(before.refusals).toEqual([])
    expect(within.refusals).toEqual([])
    expect(after.refusals).toEqual(['invalid: cursor-unknown common:10'])
    expect(after.told).toHaveLength(15)
    for (const client of [before, within, after]) expect(client.ids).toEqual(there)
  })

  test('an older copy yet: the client goes back run by run', async () => {
    const { data, keep, putBack } = folder()
    const client = new JournalClient({})
    for (let run = 1; run <= 4; run += 1) {
      const relay = await createRelay({ verifier: await sharedVerifier(), data })
      const url = await relay.listen({ port: 0 })
      await write(url, ...notes(3))
      await client.catchUp(url)
      await relay.close()
      if (run === 1) keep()
    }
    putBack()
    const relay = await createRelay({ verifier: await sharedVerifier(), data })
    onTestFinished(() => relay.close())
    const url = await relay.listen({ port: 0 })
    await write(url, ...notes(12))
    await client.catchUp(url)
    expect(client.refusals).toHaveLength(3)
    expect(client.told).toHaveLength(12)
    expect(client.ids).toEqual(await present(url))
  })
})

describe('agents on a relay that was put back', () => {
  test.each(['stopped', 'running'])(
    'copied while %s: mail that was undone is offered again and arrives once',
    async when => {
      const { data, keep, putBack } = folder()
      const homes = tempDir()
      let relay: Relay = await createRelay({ verifier: await sharedVerifier(), data })
      let url = await relay.listen({ port: 0 })
      const port = Number(new URL(url).port)
      const restart = async (between: () => void = () => {}) => {
        await relay.close()
        between()
        relay = await createRelay({ verifier: await sharedVerifier(), data })
        url = await relay.listen({ port })
      }
      onTestFinished(() => relay.close())
      const open = async (name: string): Promise<Agent> => {
        const agent = await openAgent({ home: join(homes, name), relays: [url] })
        onTestFinished(async () => {
          await agent.close({ timeoutMs: 200 }).catch(() => {})
        })
        return agent
      }
      const texts = (agent: Agent) => agent.inbox().map(({ text }) => text)
      const arrived = (agent: Agent, ...wanted: string[]) =>
        expect.poll(() => texts(agent).sort(), { timeout: 15_000 }).toEqual(wanted.sort())

      const [ann, awake, sleeper] = [await open('ann'), await open('awake'), await open('sleeper')]
      const mail = async (to: Agent, text: string) => ann.stored(await ann.send(to.pubkey, text), { timeout: 15_000 })
      await mail(awake, 'one')
      await mail(sleeper, 'one')
      await arrived(awake, 'one')
      await arrived(sleeper, 'one')
      await sleeper.close()
      if (when === 'running') keep()
      else await restart(keep)
      await mail(awake, 'two')
      await mail(sleeper, 'two')
      await arrived(awake, 'one', 'two')

      // In the restored run others write first, well past the old numbers.
      await relay.close()
      putBack()
      relay = await createRelay({ verifier: await sharedVerifier(), data })
      const quiet = await relay.listen({ port: 0 })
      await write(quiet, ...notes(30))
      url = await relay.listen({ port })
      await mail(awake, 'three')
      const woken = await open('sleeper')
      await arrived(awake, 'one', 'two', 'three')
      await arrived(woken, 'one', 'two')
      // The relay has each message once, all of them.
      const wire = await connect(url)
      await expect.poll(async () => (await wire.count({ kinds: [4700] }))[2], { timeout: 10_000 }).toEqual({ count: 5 })
      await woken.sync({ maxMs: 5_000 })
      await arrived(woken, 'one', 'two')
      await arrived(awake, 'one', 'two', 'three')
    },
    60_000,
  )
})
