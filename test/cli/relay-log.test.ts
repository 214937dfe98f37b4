import { connect } from 'posthorn'
import { expect, test } from 'vitest'
import { nowSeconds, person } from '../helpers/events.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess, start } from './posthorn.ts'

test('--log-format json, --slow-query, --metrics: one object a line, metrics apart, and nobody’s words in either', async () => {
  const args = [
    '--port',
    '0',
    '--data',
    tempDir(),
    '--log-format',
    'json',
    '--slow-query',
    '0',
    '--metrics',
    '0',
    '--json',
  ]
  const relay = start(['relay', ...args])
  await relay.says('"event":"metrics"')
  const said = (await relay.says('}\n')).split('\n')
  const { listening } = JSON.parse(said.find(line => line.includes('"listening":')) ?? '')
  const { url } = JSON.parse(said.find(line => line.includes('"event":"metrics"')) ?? '')
  const client = await connect(listening)
  const secret = 'nobody-logs-this'
  await client.publish(person('alice').sign({ created_at: nowSeconds(), content: secret, tags: [['t', secret]] }))
  expect(await client.count([{ '#t': [secret] }])).toBe(1)
  await client.close()
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
  const metrics = await (await fetch(url)).text()
  expect(metrics).toContain('posthorn_published_total{outcome="stored"} 1')
  relay.child.kill('SIGTERM')
  const { code, stderr, stdout } = await relay.ended
  expect(code).toBe(0)
  const events = stderr
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(events.map(({ event }) => event)).toEqual(
    expect.arrayContaining(['listening', 'metrics', 'slow-query', 'closing', 'closed']),
  )
  expect(events.find(({ event }) => event === 'slow-query')).toEqual({
    time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    level: 'warn',
    event: 'slow-query',
    shape: 'count tags',
    ms: expect.any(Number),
    rows: 1,
    readerMs: expect.any(Number),
    peer: 'local',
  })
  expect(stdout + stderr + metrics).not.toContain(secret)
})

test.each([
  [['--log-format', 'xml'], '--log-format is text or json'],
  [['--metrics', 'here'], '--metrics takes a port, or host:port'],
  [['--metrics', '127.0.0.1:70000'], '--metrics takes a port, or host:port'],
])('%s is refused before anything is opened', async (args, message) => {
  const { code, stderr } = await inProcess(['relay', '--port', '0', '--data', '/nonexistent/x', ...args])
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})
