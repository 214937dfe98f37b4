import { encode } from 'posthorn/protocol'
import { expect, test } from 'vitest'
import { nowSeconds } from '../helpers/events.ts'
import { manualTime } from '../relay/relay-on-test.ts'
import { connectRaw, encodeFrame, OPCODE, type RawClient } from './raw-client.ts'
import { ATTACKER, alice, from, HONEST, heldBytes, honestTraffic, publicRelay } from './scene.ts'

const KB = 1_024
const limits = { outboundHighBytes: 128 * KB, outboundHardBytes: 512 * KB }
const upTo = (count: number, start = 1) => Array.from({ length: count }, (_, n) => start + n)

/** Seqs of events until there are as many, or the connection ends. */
async function takeSeqs(reader: RawClient, count: number): Promise<number[]> {
  const seqs: number[] = []
  try {
    while (seqs.length < count) seqs.push(Number((await reader.next('EVENT'))[3]))
  } catch {}
  return seqs
}

test('50 readers that stop reading: memory stays bounded, others go on, who reads on misses nothing, who does not is closed 1013', async () => {
  const READERS = 50
  // Per reader more than the kernel's buffers and the hard limit hold together: kept for each, it would be 330 MB.
  const COUNT = 140
  const content = 'x'.repeat(47 * KB)
  const time = manualTime()
  await using relay = await publicRelay({ ...time, limits: { ...limits, page: 10_000 } })
  const subscribe = async (address: string, since = 0, epoch?: string) => {
    const reader = await connectRaw(relay.url, from(address))
    reader.send(encode.req('log', { since_seq: since, kinds: [1], ...(epoch === undefined ? {} : { epoch }) }))
    const [, , , told] = await reader.next('SEQ')
    return { reader, epoch: String(told) }
  }
  const slow = await Promise.all(upTo(READERS).map(n => subscribe(`203.0.113.${n}`)))
  const honest = await Promise.all(upTo(2).map(n => subscribe(`198.51.100.${n}`)))
  for (const { reader } of [...slow, ...honest]) await reader.next('EOSE')
  const author = await connectRaw(relay.url, from(HONEST))
  for (const { reader } of slow) reader.stopReading()

  const before = heldBytes()
  let most = 0
  for (let sent = 0; sent < COUNT; sent += 10) {
    const created_at = nowSeconds()
    const batch = upTo(10, sent).map(n => alice.sign({ created_at, content: `${n} ${content}` }))
    for (const event of batch) author.send(encode.publish(event))
    for (const event of batch) expect((await author.next('OK')).slice(1, 3)).toEqual([event.id, true])
    for (const { reader } of honest) expect(await takeSeqs(reader, 10)).toEqual(upTo(10, sent + 1))
    if (sent % 50 === 40) most = Math.max(most, heldBytes() - before)
  }
  expect(most).toBeLessThan(READERS * limits.outboundHardBytes)
  expect(relay.relay.load).toEqual({ connections: READERS + 3, subscriptions: READERS + 2 })

  const [back = [], late = []] = [slow.slice(0, 4), slow.slice(4, 8)]
  for (const { reader } of back) reader.readOn()
  for (const { reader } of back) expect(await takeSeqs(reader, COUNT)).toEqual(upTo(COUNT))
  await time.advance(30_000)
  await expect.poll(() => relay.relay.load.connections).toBe(back.length + 3)
  for (const { reader } of late) reader.readOn()
  for (const { reader, epoch } of late) {
    const seqs = await takeSeqs(reader, COUNT)
    expect(seqs).toEqual(upTo(seqs.length))
    expect(seqs.length).toBeLessThan(COUNT)
    expect(await reader.closed).toEqual({ code: 1013, reason: 'no progress; resume from your cursor' })
    const again = await subscribe(HONEST, seqs.length, epoch)
    expect(await takeSeqs(again.reader, COUNT - seqs.length)).toEqual(upTo(COUNT - seqs.length, seqs.length + 1))
  }
  const last = alice.sign({ created_at: nowSeconds(), content: 'the last' })
  author.send(encode.publish(last))
  expect((await author.next('OK')).slice(1, 3)).toEqual([last.id, true])
  for (const { reader } of [...back, ...honest]) expect(await takeSeqs(reader, 1)).toEqual([COUNT + 1])
  for (const { reader } of slow) reader.destroy()
})

test('one that asks and asks and does not read is closed 1013 at the hard limit; others go on', async () => {
  await using relay = await publicRelay({ limits })
  const check = await honestTraffic(relay)
  const client = await connectRaw(relay.url, from(ATTACKER))
  client.stopReading()
  // Refused with its whole name, each time.
  const name = 'x'.repeat(120 * KB)
  for (let n = 0; n < 99; n++) client.send(encode.req(name, {}))
  await expect.poll(() => relay.relay.load.connections, { timeout: 5_000 }).toBe(2)
  client.readOn()
  expect(await client.closed).toEqual({ code: 1013, reason: 'too slow; resume from your cursor' })
  await check()
})

test('what was answered in the turn in which the client says goodbye, or is thrown out, comes before the close frame', async () => {
  await using relay = await publicRelay()
  for (const [last, code] of [
    [encodeFrame(OPCODE.close, Buffer.from([0x03, 0xe8])), 1000],
    [encodeFrame(OPCODE.binary, 'no text'), 1003],
    [encodeFrame(OPCODE.text, new Uint8Array([0xff])), 1007],
  ] as const) {
    const client = await connectRaw(relay.url, from(ATTACKER))
    await client.next('AUTH')
    client.raw(Buffer.concat([encodeFrame(OPCODE.text, '["HELLO"]'), encodeFrame(OPCODE.text, '["CLOSE"]'), last]))
    expect((await client.next('NOTICE'))[1]).toMatch(/unknown frame/)
    expect((await client.next('NOTICE'))[1]).toMatch(/CLOSE needs/)
    expect((await client.closed).code).toBe(code)
  }
})
