import { spawn } from 'node:child_process'
import { createServer, type Server } from 'node:net'
import { connect } from 'posthorn'
import { encode, encodeEvent, type NostrEvent } from 'posthorn/protocol'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { corrupt, notes, nowSeconds, person } from '../helpers/events.ts'
import { type RunningRelay, startRelay } from '../helpers/start-relay.ts'
import { makeTempDir, removeDir } from '../helpers/temp-dir.ts'
import { BIN, inProcess, json, jsonLines } from './posthorn.ts'

const PAGE = 20
const ada = person('ada')
const older = notes(ada, 45, { topic: 'paged' })

let relay: RunningRelay
let folder: string
beforeAll(async () => {
  relay = await startRelay({ limits: { page: PAGE } })
  folder = makeTempDir()
  const client = await connect(relay.url)
  for (const event of older) await client.publish(event)
  await client.close()
  await run(['init', '--relay', relay.url])
})
afterAll(async () => {
  await relay[Symbol.asyncDispose]()
  removeDir(folder)
})
const run = (args: readonly string[], input?: string) =>
  inProcess(args, { env: { XDG_DATA_HOME: folder }, ...(input === undefined ? {} : { input }) })
const ids = (events: readonly NostrEvent[]) => events.map(event => event.id)

describe('req', () => {
  test('one event per line, newest first, exactly as signed; exits after the last', async () => {
    const outcome = await run(['req', '{"kinds":[1],"#t":["paged"],"limit":3}'])
    expect(outcome).toMatchObject({ code: 0, stderr: '' })
    expect(outcome.lines).toEqual(older.slice(-3).reverse().map(encodeEvent))
  })

  test('--json wraps each event and tells where the stored part ended', async () => {
    const lines = jsonLines(await run(['req', '{"kinds":[1],"limit":1}', '--json']))
    expect(lines).toEqual([
      { v: 1, event: JSON.parse(encodeEvent(older.at(-1) as NostrEvent)) },
      {
        v: 1,
        eose: expect.objectContaining({ seq: expect.any(Number), epoch: expect.stringMatching(/^[0-9a-f]{16}$/) }),
      },
    ])
  })

  test('--log fetches everything in log order, past every page; goes on from a position', async () => {
    const all = jsonLines(await run(['req', '{"#t":["paged"]}', '--log', '--json']))
    const events = all.flatMap(line => ('event' in line ? [line] : []))
    expect(events.map(line => (line['event'] as NostrEvent).id)).toEqual(ids(older))
    const seqs = events.map(line => Number(line['seq']))
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b))
    const ends = all.filter(line => 'eose' in line)
    expect(ends).toHaveLength(1)
    const { epoch } = (ends[0] as { eose: { epoch: string } }).eose
    const rest = await run(['req', JSON.stringify({ '#t': ['paged'], since_seq: seqs[40], epoch }), '--log'])
    expect(rest.lines).toEqual(older.slice(41).map(encodeEvent))
    expect(rest.stderr).toContain('"since_seq":')
  })

  test('nothing matches: exit 3', async () => {
    expect(await run(['req', '{"kinds":[9999]}'])).toMatchObject({ code: 3, stdout: '' })
    expect(await run(['req', '{"kinds":[9999]}', '--log'])).toMatchObject({ code: 3, stdout: '' })
  })

  test('served to nobody, also after AUTH: exit 4; what the relay cannot answer: exit 1', async () => {
    const refused = await run(['req', '{"kinds":[34707]}', '--json'])
    expect(refused).toMatchObject({ code: 4, stdout: '' })
    expect(JSON.parse(refused.stderr)).toMatchObject({
      error: { code: 'relay-refused', message: expect.stringContaining('restricted') },
    })
    expect(await run(['req', '{"&t":["x"]}'])).toMatchObject({ code: 1, stdout: '' })
  })

  test('--follow stays and prints what comes, until interrupted', async () => {
    const topic = 'followed'
    const child = spawn(process.execPath, [
      BIN,
      'req',
      JSON.stringify({ '#t': [topic] }),
      '--follow',
      '--json',
      '--relay',
      relay.url,
    ])
    onTestFinished(() => void child.kill('SIGKILL'))
    const lines: string[] = []
    child.stdout
      .setEncoding('utf8')
      .on('data', (chunk: string) => lines.push(...chunk.split('\n').filter(line => line !== '')))
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(1)
    const [event] = notes(ada, 1, { topic })
    if (event === undefined) throw new Error('no event')
    expect((await run(['publish', encodeEvent(event)])).code).toBe(0)
    await expect.poll(() => lines.length, { timeout: 10_000 }).toBe(2)
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ event: { id: event.id } })
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.kill('SIGINT')
    expect(await ended).toBe(130)
  })

  test('a reader that leaves early ends it quietly', async () => {
    const script = `"${process.execPath}" "${BIN}" req '{"kinds":[1]}' --relay ${relay.url} | head -1`
    const child = spawn('sh', ['-c', script])
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', chunk => (stdout += chunk))
    child.stderr.on('data', chunk => (stderr += chunk))
    await new Promise(resolve => child.once('close', resolve))
    expect(JSON.parse(stdout)).toMatchObject({ kind: 1 })
    expect(stderr).toBe('')
  })
})

describe('publish', () => {
  test('--kind signs with the key of the profile', async () => {
    const outcome = await run([
      'publish',
      '--kind',
      '30023',
      '--tag',
      'd=a=b',
      '--tag',
      '["e","x","","reply"]',
      'text',
      '--json',
    ])
    expect(outcome.code).toBe(0)
    const { id, seq, accepted } = json(outcome)
    expect({ accepted, seq }).toEqual({ accepted: true, seq: expect.any(Number) })
    const [stored] = jsonLines(await run(['req', JSON.stringify({ ids: [id] })]))
    const { pubkey } = json(await run(['whoami', '--json']))
    expect(stored).toMatchObject({
      id,
      pubkey,
      kind: 30023,
      content: 'text',
      tags: [
        ['d', 'a=b'],
        ['e', 'x', '', 'reply'],
      ],
    })
  })

  test('signed events from stdin, one answer a line; a copy is known already', async () => {
    const fresh = notes(ada, 2, { topic: 'piped', from: nowSeconds() - 60 })
    const first = await run(['publish', '-', '--json'], fresh.map(encodeEvent).join('\n'))
    expect(first.code).toBe(0)
    expect(jsonLines(first).map(line => [line['id'], line['accepted']])).toEqual(fresh.map(event => [event.id, true]))
    const again = await run(['publish'], fresh.map(encodeEvent).join('\n'))
    expect(again.lines).toEqual(ids(fresh))
    expect(again.stderr).toContain('known already')
  })

  test('req piped into publish copies to another relay', async () => {
    await using other = await startRelay()
    const script = `"${process.execPath}" "${BIN}" req '{"#t":["paged"]}' --log -q --relay ${relay.url} | "${process.execPath}" "${BIN}" publish - -q --relay ${other.url}`
    const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'ignore', 'inherit'] })
    expect(await new Promise(resolve => child.once('close', resolve))).toBe(0)
    expect((await run(['count', '{"#t":["paged"]}', '--relay', other.url])).stdout).toBe('45\n')
  })

  test('a forged event: exit 6 and nothing is sent, not even the good one before it', async () => {
    const [good, bad] = notes(ada, 2, { topic: 'forged' })
    if (good === undefined || bad === undefined) throw new Error('no events')
    const outcome = await run(['publish', '-'], [good, corrupt(bad, 'sig')].map(encodeEvent).join('\n'))
    expect(outcome).toMatchObject({ code: 6, stdout: '' })
    expect(outcome.stderr).toContain('line 2')
    expect((await run(['count', '{"#t":["forged"]}'])).stdout).toBe('0\n')
  })

  test('refused by the relay: exit 1 and its reason; the answer is still on stdout', async () => {
    const ancient = ada.sign({ created_at: 1, content: 'ancient' })
    const outcome = await run(['publish', encodeEvent(ancient), '--json'])
    expect(outcome.code).toBe(1)
    expect(json(outcome)).toMatchObject({
      v: 1,
      id: ancient.id,
      accepted: false,
      message: expect.stringMatching(/^invalid: /),
    })
  })

  test('nothing on stdin: exit 3', async () => {
    expect(await run(['publish', '-'], '\n')).toMatchObject({ code: 3, stdout: '' })
  })
})

test('count', async () => {
  expect(await run(['count', '{"#t":["paged"]}'])).toMatchObject({ code: 0, stdout: '45\n' })
  expect(json(await run(['count', '{"#t":["paged"]}', '{"kinds":[9999]}', '--json']))).toEqual({ v: 1, count: 45 })
})

describe('a relay that cannot be relied on', () => {
  const hostile = async (onText: (text: string, send: (frame: string) => void) => void): Promise<string> => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    server.on('connection', socket => socket.on('message', data => onText(String(data), frame => socket.send(frame))))
    await new Promise(resolve => server.once('listening', resolve))
    onTestFinished(() => {
      for (const client of server.clients) client.terminate()
      server.close()
    })
    return `ws://127.0.0.1:${(server.address() as { port: number }).port}`
  }

  test('unreachable: exit 5 for each verb that needs it', async () => {
    const down = ['--relay', 'ws://127.0.0.1:9']
    const [event] = older
    const outcomes = await Promise.all([
      run(['req', '{}', ...down]),
      run(['count', '{}', ...down]),
      run(['publish', encodeEvent(event as NostrEvent), ...down]),
    ])
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ code: 5, stdout: '' })
      expect(outcome.stderr).toContain('cannot reach ws://127.0.0.1:9')
    }
  })

  test('silent, with or without a handshake: exit 5 after --timeout', async () => {
    const mute = await hostile(() => {})
    const server: Server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await new Promise(resolve => server.once('listening', resolve))
    const dead = `ws://127.0.0.1:${(server.address() as { port: number }).port}`
    const outcomes = await Promise.all(
      [mute, dead].flatMap(url => [
        run(['req', '{}', '--relay', url, '--timeout', '0.3']),
        run(['count', '{}', '--relay', url, '--timeout', '.3']),
        run(['publish', encodeEvent(older[0] as NostrEvent), '--relay', url, '--timeout', '0.3']),
      ]),
    )
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 5, stdout: '' })
  })

  test('forging: what does not verify is dropped, the rest printed, exit 6', async () => {
    const [good, bad] = older
    if (good === undefined || bad === undefined) throw new Error('no events')
    const url = await hostile((text, send) => {
      const [type, sub] = JSON.parse(text)
      if (type !== 'REQ') return
      send(encode.event(JSON.stringify(sub), encodeEvent(corrupt(bad, 'sig'))))
      send(encode.event(JSON.stringify(sub), encodeEvent(good)))
      send(JSON.stringify(['EOSE', sub]))
    })
    const outcome = await run(['req', '{"kinds":[1]}', '--relay', url])
    expect(outcome.code).toBe(6)
    expect(outcome.lines).toEqual([encodeEvent(good)])
    expect(outcome.stderr).toContain('1 event did not verify')
  })

  test('without a log: --log says so, exit 1', async () => {
    const url = await hostile((text, send) => {
      const [type, sub] = JSON.parse(text)
      if (type === 'REQ') send(JSON.stringify(['EOSE', sub]))
    })
    const outcome = await run(['req', '{"kinds":[1]}', '--log', '--relay', url])
    expect(outcome.code).toBe(1)
    expect(outcome.stderr).toContain('keeps no log order')
  })
})
