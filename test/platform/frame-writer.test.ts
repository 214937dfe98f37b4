import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { messagesOf } from '#dist/platform/frame-run.js'
import { type FrameWriter, FrameWriters } from '#dist/platform/frame-writer.js'
import { packTexts } from '#dist/platform/packed-texts.js'
import { SharedText } from '#dist/platform/shared-text.js'
import { testSeed } from '../helpers/seed.ts'

/** A network that takes a write when told to, and reads its memory only then, as the kernel does. */
class Network extends Duplex {
  readonly taken: Buffer[] = []
  writes = 0
  flowing = true
  #waiting: (() => void) | undefined

  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.writes += 1
    const finish = () => {
      this.taken.push(Buffer.from(chunk))
      done()
    }
    if (this.flowing) finish()
    else this.#waiting = finish
  }

  /** Takes the write that waits. */
  accept(): void {
    const finish = this.#waiting
    this.#waiting = undefined
    finish?.()
  }

  get frames(): { opcode: number; text: string }[] {
    return decode(Buffer.concat(this.taken))
  }
}

/** RFC 6455 §5.2, unmasked and final. */
function decode(bytes: Buffer): { opcode: number; text: string }[] {
  const frames = []
  for (let at = 0; at < bytes.length; ) {
    const short = bytes.readUInt8(at + 1)
    const size =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
    const start = at + (short < 126 ? 2 : short === 126 ? 4 : 10)
    expect(bytes.readUInt8(at) & 0x80).toBe(0x80)
    expect(start + size).toBeLessThanOrEqual(bytes.length)
    frames.push({ opcode: bytes.readUInt8(at) & 0x0f, text: bytes.toString('utf8', start, start + size) })
    at = start + size
  }
  return frames
}

function open(writers = new FrameWriters()): { network: Network; writer: FrameWriter; taken: () => number } {
  const network = new Network()
  network.on('error', () => {})
  let taken = 0
  const writer = writers.open(network, { onTaken: () => (taken += 1) })
  return { network, writer, taken: () => taken }
}

const texts = (network: Network) => network.frames.map(({ text }) => text)
const turn = () => new Promise(resolve => setImmediate(() => setImmediate(resolve)))
const PING = Buffer.from([0x89, 0])

test('all frames of one turn leave in one write, in order', async () => {
  const { network, writer, taken } = open()
  const head = new SharedText('["EVENT","é",')
  writer.send('first')
  writer.send(new SharedText('{"shared":"ü"}'), head, ',7]')
  await Promise.resolve()
  writer.send('["plain €"]', head, ']')
  expect(network.writes).toBe(0)
  await turn()
  expect(network.writes).toBe(1)
  expect(texts(network)).toEqual(['first', '["EVENT","é",{"shared":"ü"},7]', '["EVENT","é",["plain €"]]'])
  expect(writer.unsentBytes).toBe(0)
  expect(taken()).toBe(1)
})

test('a run: a frame for each text, as its messages one by one, in writes of bounded size', async () => {
  const { network, writer } = open()
  const bodies = Array.from({ length: 400 }, (_, n) => `"${'é'.repeat(n % 7)}${'x'.repeat(n)}"`)
  const run = {
    head: new SharedText('["EVENT","é",'),
    texts: packTexts(bodies),
    numbers: Float64Array.from(bodies, (_, n) => n * 99),
    tail: ']',
  }
  const expected = bodies.map((body, n) => `["EVENT","é",${body},${n * 99}]`)
  expect([...messagesOf(run)]).toEqual(expected)
  writer.send('before')
  writer.sendRun(run)
  writer.sendRun({ ...run, texts: packTexts([]) })
  writer.send('behind')
  await turn()
  expect(texts(network)).toEqual(['before', ...expected, 'behind'])
  expect(Math.max(...network.taken.map(({ length }) => length))).toBeLessThanOrEqual(65_536)
  expect(network.writes).toBeLessThan(5)
  expect(writer.unsentBytes).toBe(0)
})

test.each([0, 1, 125, 126, 127, 65_525, 65_526, 65_535, 65_536, 300_000])('a frame of %i bytes', async size => {
  const { network, writer } = open()
  const ascii = 'a'.repeat(size)
  const wide = size < 3 ? ascii : `${'b'.repeat(size - 3)}€`
  for (const text of [ascii, wide]) {
    writer.send(text)
    writer.send(new SharedText(text))
  }
  await turn()
  expect(texts(network)).toEqual([ascii, ascii, wide, wide])
})

test('what the network has not taken is counted, kept whole, and goes on by itself', async () => {
  const { network, writer, taken } = open()
  network.flowing = false
  const sent = Array.from({ length: 300 }, (_, n) => `${n} ${'x'.repeat(1_000)}`)
  for (const text of sent) writer.send(text)
  await turn()
  expect(network.writes).toBe(1)
  expect(writer.unsentBytes).toBeGreaterThanOrEqual(sent.join('').length)
  // Where nothing is underway but other people's frames, ours still follow.
  network.write(PING)
  for (let n = 0; n < 20; n += 1) {
    network.accept()
    await turn()
  }
  expect(network.frames.filter(({ opcode }) => opcode === 1).map(({ text }) => text)).toEqual(sent)
  expect(network.frames.filter(({ opcode }) => opcode === 9)).toHaveLength(1)
  expect(writer.unsentBytes).toBe(0)
  expect(taken()).toBeGreaterThan(3)
})

test('behind a frame of somebody else that the network has not taken: written, and called back', async () => {
  const { network, writer, taken } = open()
  network.flowing = false
  network.write(PING)
  writer.send('behind it')
  await turn()
  network.accept()
  network.accept()
  await turn()
  expect(texts(network)).toEqual(['', 'behind it'])
  expect(taken()).toBe(1)
})

test('flushAll hands over everything at once, for a close frame to follow', () => {
  const { network, writer } = open()
  network.flowing = false
  const sent = Array.from({ length: 200 }, (_, n) => `${n} ${'x'.repeat(1_000)}`)
  for (const text of sent) writer.send(text)
  writer.flushAll()
  network.end(Buffer.from([0x88, 0]))
  for (let n = 0; n < 20; n += 1) network.accept()
  expect(texts(network)).toEqual([...sent, ''])
  expect(network.frames.at(-1)?.opcode).toBe(8)
})

test('on a stream that is destroyed or ended frames are forgotten, not raised as errors', async () => {
  for (const finish of [(network: Network) => network.destroy(), (network: Network) => network.end()]) {
    const { network, writer } = open()
    writer.send('before')
    finish(network)
    writer.send('after')
    await turn()
    expect(network.errored).toBeNull()
    expect(writer.unsentBytes).toBe(0)
    writer.send('x'.repeat(100_000))
    expect(writer.unsentBytes).toBe(0)
  }
})

test('many sockets, slow and fast, share memory and never each other’s bytes', async () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ to: fc.nat(3), size: fc.oneof(fc.nat(300), fc.nat(80_000)), wide: fc.boolean() }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        run: fc.nat(3),
        sizes: fc.array(fc.oneof(fc.nat(300), fc.nat(80_000)), { maxLength: 8 }),
        numbered: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ take: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ flow: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ stall: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.constant('turn' as const) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async steps => {
      const writers = new FrameWriters()
      const peers = Array.from({ length: 4 }, () => ({ ...open(writers), sent: [] as string[] }))
      const peer = (n: number) => peers[n] ?? open()
      let count = 0
      for (const each of steps) {
        if (each === 'turn') await turn()
        else if ('run' in each) {
          const bodies = each.sizes.map((size, n) => `${n}${(n % 2 === 0 ? 'é' : 'e').repeat(size)}`)
          const numbers = bodies.map((_, n) => 10 ** (n % 7) - (n % 2))
          const head = new SharedText('["é",')
          const run = { head, texts: packTexts(bodies), tail: ']' }
          peer(each.run).writer.sendRun(each.numbered ? { ...run, numbers: Float64Array.from(numbers) } : run)
          peers[each.run]?.sent.push(
            ...bodies.map((body, n) => `["é",${body}${each.numbered ? `,${numbers[n]}` : ''}]`),
          )
        } else if ('take' in each) peer(each.take).network.accept()
        else if ('flow' in each) {
          peer(each.flow).network.flowing = true
          peer(each.flow).network.accept()
        } else if ('stall' in each) peer(each.stall).network.flowing = false
        else {
          count += 1
          const body = `${count}${(each.wide ? 'é' : 'e').repeat(each.size)}`
          // To one alone as text, to two as shared parts.
          const shared = new SharedText(body)
          for (const to of each.wide ? [each.to] : [each.to, (each.to + 1) % 4]) {
            const { writer, sent } = { sent: [] as string[], ...peer(to) }
            if (each.wide) writer.send(body, new SharedText(`[${to},`), ']')
            else writer.send(shared, new SharedText(`[${to},`), `,${count}]`)
            sent.push(each.wide ? `[${to},${body}]` : `[${to},${body},${count}]`)
          }
        }
      }
      for (const { network, sent } of peers) {
        network.flowing = true
        for (let n = 0; n < 200 && texts(network).length < sent.length; n += 1) {
          network.accept()
          await turn()
        }
        expect(texts(network)).toEqual(sent)
      }
    }),
    { seed: testSeed('frame writer'), numRuns: Number(process.env['ROUNDS'] ?? 60) },
  )
})
