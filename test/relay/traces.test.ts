import * as api from '@opentelemetry/api'
import { expect, onTestFinished, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { recordSpans } from '../helpers/tracing.ts'
import { startRelay } from './relay-on-test.ts'

const alice = person('alice')

test('where the program traces, what a relay waits for are spans; sizes and shapes, nothing of what was said', async () => {
  const { spans, stop } = recordSpans()
  onTestFinished(stop)
  const { connect } = await startRelay()
  const wire = await connect()
  const note = alice.sign({ created_at: nowSeconds(), content: 'for your eyes' })
  await wire.publish(note)
  await wire.request('s', { kinds: [1], authors: [alice.pubkey] })
  await wire.request('log', { since_seq: 0 })
  await wire.count({ kinds: [1] })
  const [verify, commit, query] = ['verify', 'commit', 'query'].map(name => spans.filter(span => span.name === name))
  expect(verify).toMatchObject([{ kind: api.SpanKind.INTERNAL, ended: true, attributes: { 'posthorn.events': 1 } }])
  expect(commit).toMatchObject([{ ended: true, attributes: { 'posthorn.events': 1, 'posthorn.seq': 1 } }])
  expect(query?.map(({ attributes }) => [attributes['posthorn.shape'], attributes['posthorn.rows']])).toEqual(
    expect.arrayContaining([
      ['authors+kinds', 1],
      ['log', 1],
      ['count kinds', 1],
    ]),
  )
  const told = JSON.stringify(spans)
  for (const secret of [note.content, note.id, note.pubkey, note.sig]) expect(told).not.toContain(secret)
})

test('without a tracer there are no spans', async () => {
  const { spans, stop } = recordSpans()
  stop()
  const { connect } = await startRelay()
  await (await connect()).publish(alice.sign({ created_at: nowSeconds() }))
  expect(spans).toEqual([])
})
