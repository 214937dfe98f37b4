import * as api from '@opentelemetry/api'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { hostTelemetry } from '#dist/sdk/telemetry/host-telemetry.js'
import { noTelemetry, openTelemetry } from '#dist/sdk/telemetry/telemetry.js'
import { startRelay } from '../helpers/start-relay.ts'
import { type RecordedSpan, recordSpans } from '../helpers/tracing.ts'
import { alice, bob, carol, contactsOf, eventually, memoryAgent } from './agents.ts'

let spans: RecordedSpan[]
let stop: () => void
beforeEach(() => {
  // The relay of these tests runs in the same process, and has spans of its own.
  ;({ spans, stop } = recordSpans('posthorn.relay'))
})
afterEach(() => stop())

const [TRACE, SPAN] = ['a'.repeat(32), 'b'.repeat(16)]
const to = 'c'.repeat(64)

test('a span is named, kept in its trace, active for what runs in it, and ended with its promise', async () => {
  const telemetry = openTelemetry(api)
  const result = telemetry.span(
    { name: 'handle', act: 'request', peer: to, id: 'm1', parent: `00-${TRACE}-${SPAN}-01` },
    async ({ traceparent }) => {
      expect(traceparent).toBe(`00-${TRACE}-${'1'.padStart(16, '0')}-01`)
      await Promise.resolve()
      api.trace.getTracer('program').startSpan('its own').end()
      expect(spans[0]?.ended).toBe(false)
      return 7
    },
  )
  expect(await result).toBe(7)
  expect(spans).toMatchObject([
    {
      name: 'handle request',
      kind: api.SpanKind.CONSUMER,
      ended: true,
      parent: { traceId: TRACE, spanId: SPAN, isRemote: true },
      attributes: { 'messaging.message.id': 'm1', 'messaging.operation.type': 'process', 'posthorn.act': 'request' },
    },
    { name: 'its own', parent: { traceId: TRACE, spanId: spans[0]?.context.spanId } },
  ])
})

test('a failure is the span’s, and the caller’s', async () => {
  const telemetry = openTelemetry(api)
  const failing = () => Promise.reject(new Error('no'))
  await expect(telemetry.span({ name: 'ask', act: 'query', peer: to }, failing)).rejects.toThrow('no')
  expect(() =>
    telemetry.span({ name: 'send', act: 'inform', peer: to }, () => {
      throw new TypeError('too long')
    }),
  ).toThrow(TypeError)
  expect(spans).toMatchObject([
    { status: { code: api.SpanStatusCode.ERROR, message: 'no' }, ended: true },
    { status: { code: api.SpanStatusCode.ERROR, message: 'too long' }, ended: true },
  ])
})

test.each([
  '',
  'junk',
  `00-${'0'.repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${'0'.repeat(16)}-01`,
  `ff-${TRACE}-${SPAN}-01`,
])('a trace context that is none starts a trace of its own: %j', parent => {
  openTelemetry(api).span({ name: 'send', act: 'inform', peer: to, parent }, () => {})
  expect(spans[0]?.parent).toBeUndefined()
})

test('without anybody listening the trace context is passed through', () => {
  const parent = `00-${TRACE}-${SPAN}-00`
  expect(noTelemetry.span({ name: 'send', act: 'inform', peer: to, parent }, span => span.traceparent)).toBe(parent)
  stop()
  expect(openTelemetry(api).span({ name: 'send', act: 'inform', peer: to, parent }, span => span.traceparent)).toBe(
    parent,
  )
})

test('the host’s OpenTelemetry is found where it was set up, and nothing is loaded where it was not', async () => {
  const found = await hostTelemetry()
  found.span({ name: 'send', act: 'inform', peer: to }, () => {})
  expect(spans.length).toBe(1)
  const key = Symbol.for('opentelemetry.js.api.1')
  const registered = Reflect.get(globalThis, key)
  Reflect.deleteProperty(globalThis, key)
  try {
    expect(await hostTelemetry()).toBe(noTelemetry)
  } finally {
    Reflect.set(globalThis, key, registered)
  }
})

test('one trace from a question through a handler to its children and the answer', async () => {
  await using relay = await startRelay()
  const contacts = contactsOf(alice, bob, carol)
  const [asker, helper, expert] = await Promise.all(
    [alice, bob, carol].map(who => memoryAgent(who, relay.url, { contacts })),
  )
  if (!asker || !helper || !expert) throw new Error('three were opened')
  expert.handle('query', ({ traceparent }) => traceparent ?? 'none')
  helper.handle('request', async ({ text, ask }) => (await ask('carol', text, { act: 'query' })).text)
  const { text, traceparent } = await asker.ask('bob', 'why?')
  await eventually('all spans ended', () => spans.filter(span => span.name === 'receive answer').length === 2)

  const named = (name: string) => {
    const found = spans.filter(span => span.name === name)
    expect(found.length, name).toBe(1)
    return found[0] ?? expect.unreachable()
  }
  const isChild = (child: string, parent: string) =>
    expect(named(child).parent?.spanId, `${child} under ${parent}`).toBe(named(parent).context.spanId)
  isChild('send request', 'ask request')
  isChild('handle request', 'send request')
  isChild('receive request', 'send request')
  isChild('ask query', 'handle request')
  isChild('send query', 'ask query')
  isChild('handle query', 'send query')
  const { traceId } = named('ask request').context
  expect(new Set(spans.map(span => span.context.traceId))).toEqual(new Set([traceId]))
  expect([text, traceparent]).toEqual([expect.stringContaining(traceId), expect.stringContaining(traceId)])
  expect(spans.every(span => span.ended)).toBe(true)
})

test('without a tracer the trace context still goes through, and agents count what they do', async () => {
  stop()
  await using relay = await startRelay()
  const [asker, helper] = [await memoryAgent(alice, relay.url), await memoryAgent(bob, relay.url)]
  const seen: (string | undefined)[] = []
  let tries = 0
  helper.handle('request', async message => {
    tries += 1
    if (tries === 1) throw new Error('not yet')
    seen.push(message.traceparent)
    await message.send('alice', 'by the way', { act: 'inform' })
    return 'done'
  })
  const parent = `00-${TRACE}-${SPAN}-01`
  const answer = await asker.ask('bob', 'please', { traceparent: parent })
  await eventually('the child came', () => asker.inbox().length === 2)
  expect([...seen, answer.traceparent, asker.inbox().find(mail => mail.act === 'inform')?.traceparent]).toEqual([
    parent,
    parent,
    parent,
  ])
  await eventually('bob’s receipt came', () => asker.counters().receipts > 0)
  expect(asker.counters()).toMatchObject({ sent: 1, refused: 0, expired: 0, new: 2, invalid: 0, gaps: 0, handlers: {} })
  expect(helper.counters()).toMatchObject({ sent: 1, new: 1, handlers: { request: { runs: 2, failures: 1 } } })
  const { totalMs = 0, longestMs = 0 } = helper.counters().handlers.request ?? {}
  expect(totalMs).toBeGreaterThanOrEqual(longestMs)
})
