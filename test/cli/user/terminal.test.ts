import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, openAgent } from 'posthorn'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { nowSeconds, person } from '../../helpers/events.ts'
import { type RunningRelay, startRelay } from '../../helpers/start-relay.ts'
import { makeTempDir, removeDir } from '../../helpers/temp-dir.ts'
import { scriptedRelay } from '../../sdk/scripted-relay.ts'
import { inPackage, PACKED_BIN } from './user.ts'

// Dozens of processes one after the other: a busy machine is no failure.
vi.setConfig({ testTimeout: 120_000 })

const eve = person('eve')
let relay: RunningRelay
let folder: string
let env: Record<string, string>
const quick = (line: string, tty = false) => inPackage(line.split(' '), { env, tty })
beforeAll(async () => {
  relay = await startRelay()
  folder = makeTempDir()
  env = { XDG_DATA_HOME: folder }
  await quick(`init --as ann --relay ${relay.url}`)
  await quick(`init --as bob --relay ${relay.url}`)
})
afterAll(async () => {
  await relay[Symbol.asyncDispose]()
  removeDir(folder)
})

/** Ways to do harm through a terminal, or to look like something else. */
const CORPUS = [
  '\u001b[2J\u001b[H\u001b[31mred',
  '\u001b]0;title\u0007',
  '\u001b]8;;https://evil.example\u001b\\click\u001b]8;;\u001b\\',
  '\u001b]52;c;cm0gLXJmIC8=\u0007',
  '\u001bP$q"p\u001b\\\u001b_x\u001b\\\u001b^x\u001b\\',
  '\u009b31m\u009d0;t\u009c\u0090x\u009c',
  'safe\r\u001b[Kspoofed',
  'a\b\b\bb\u007f\u0007\u0000\u000e\u000f\u001b(0',
  'file\u202egnp.exe\u202c \u2066x\u2069 \u200e\u200f\u061c',
  'line\u2028sep\u2029par \u{e0041}\u{e007f}tags',
  // What nobody sees at all: soft hyphen, joiners, fillers, variation selectors.
  'ig\u00adno\u034fre\u200b\u200d\u2060\u3164\u115f\ufe0f\ufeff\uffa0\u{e0100}\u{1d173}\ufff9d',
  '\u001b[?1049h\u001b[?25l\u001b[6n\u001b[c\u001bc',
].join('|')

/** What may reach a terminal: text, line ends, and the styles that we set ourselves. */
function expectInert(shown: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: looking for control characters
  const unstyled = shown.replace(/\u001b\[(?:[12]|22|3[129])m/g, '')
  const harmful =
    // biome-ignore lint/suspicious/noControlCharactersInRegex: looking for control characters
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ufff9-\ufffb\p{Bidi_Control}\p{Default_Ignorable_Code_Point}]/u
  expect(harmful.exec(unstyled)?.[0].codePointAt(0), shown).toBeUndefined()
}

describe('what others say comes out inert, on a terminal and piped, as text and as JSON', () => {
  const everywhere = async (line: string, says?: string) => {
    for (const tty of [true, false])
      for (const form of [line, `${line} --json`]) {
        const { stdout, stderr } = await quick(form, tty)
        expectInert(stdout + stderr)
        if (says !== undefined) expect(stdout, form).toContain(says)
      }
  }

  test('messages, answers, receipts', async () => {
    const agent = await openAgent({ home: join(folder, 'posthorn', 'bob'), presence: false })
    const id = await agent.send('ann', CORPUS, { act: 'inform', contentType: 'text/x-evil' })
    await agent.stored(id)
    await agent.state.set(CORPUS.slice(0, 60), CORPUS)
    await agent.state.flush()
    await agent.close()
    await everywhere('inbox --as ann', 'red')
    await everywhere(`read ${id} --as ann`, 'red')
    await everywhere('state get --of bob --as ann', 'red')
    const asked = (await quick('send bob question --as ann')).stdout.trim()
    await quick('catchup --as bob')
    await inPackage(['mark', asked, 'failed', CORPUS, '--as', 'bob'], { env })
    await everywhere(`receipts ${asked} --as ann`, 'red')
    const { stdout, stderr } = await inPackage(['watch', '--as', 'ann', '--once', '--exec', 'cat >&2; exit 77'], {
      env,
      tty: true,
    })
    expectInert(stdout + stderr)
    expect(stderr).toContain('red')
  })

  test('cards and presence', async () => {
    const content = {
      name: CORPUS,
      description: CORPUS,
      version: CORPUS,
      supportedInterfaces: [{ url: CORPUS, protocolBinding: CORPUS, protocolVersion: '1' }],
      capabilities: {},
      defaultInputModes: [],
      defaultOutputModes: [],
      skills: [{ id: CORPUS, name: CORPUS, description: CORPUS, tags: [CORPUS] }],
    }

    const client = await connect(relay.url)
    await client.publish(eve.sign({ kind: 14_705, created_at: nowSeconds(), content: JSON.stringify(content) }))
    const status = JSON.stringify({ state: 'online', activity: CORPUS, mood: CORPUS })
    await client.publish(
      eve.sign({ kind: 34_706, created_at: nowSeconds(), tags: [['d', CORPUS.slice(0, 60)]], content: status }),
    )
    await client.close()
    await everywhere('agents --as ann', 'red')
    await everywhere(`card show ${eve.pubkey} --as ann`, 'red')
    await everywhere(`presence show ${eve.pubkey} --as ann`, 'red')
    await everywhere(`relay top --relay ${relay.url} --count 1`)
    await everywhere(`req {"kinds":[14705]} --relay ${relay.url}`, 'red')
  })

  test('the words of a relay', async () => {
    const evil = await scriptedRelay(
      (peer, [type, first]) => {
        if (type === 'REQ' || type === 'COUNT') peer.send('CLOSED', first, `restricted: ${CORPUS}`)
        else if (type === 'EVENT') peer.send('OK', first.id, false, `blocked: ${CORPUS}`)
      },
      peer => peer.send('NOTICE', CORPUS),
    )
    await quick(`init --as cat --relay ${evil.url}`)
    for (const line of [
      'status',
      'catchup',
      'inbox',
      'doctor',
      'agents',
      'req {}',
      'count {}',
      'publish --kind 1 x',
      'send bob x',
    ])
      await everywhere(`${line} --as cat`)
  })
})

test('relay top: what tells no numbers is no Posthorn relay', async () => {
  const server = createServer((_request, response) => response.end(CORPUS)).listen(0, '127.0.0.1')
  await new Promise(resolve => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const { code, stderr } = await quick(
    `relay top --relay ws://127.0.0.1:${(server.address() as AddressInfo).port} --json`,
  )
  expect(code).toBe(1)
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'no-stats' } })
})

// util-linux' script gives a command a terminal of its own.
const hasScript = spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0

describe.skipIf(!hasScript)('on a terminal (left out where there is no script(1) of util-linux)', () => {
  function onTerminal(args: readonly string[], more: Record<string, string> = {}) {
    const quoted = [process.execPath, PACKED_BIN, ...args].map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
    const child = spawn('script', ['-qfec', quoted, '/dev/null'], {
      env: { PATH: process.env['PATH'], TERM: 'xterm', HOME: '/nonexistent', ...env, ...more },
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    let shown = ''
    const ended = new Promise<{ code: number | null; shown: string }>(resolve =>
      child.once('close', code => resolve({ code, shown })),
    )
    child.stdout.setEncoding('utf8').on('data', text => {
      shown += text
    })
    return {
      type: (text: string) => child.stdin.write(text),
      says: (text: string) => expect.poll(() => shown, { timeout: 60_000 }).toContain(text),
      shown: () => shown,
      ended,
    }
  }

  test('colour, unless NO_COLOR; a QR code for who invites', async () => {
    const [plain, coloured, invite] = await Promise.all([
      onTerminal(['status', '--as', 'ann'], { NO_COLOR: '1' }).ended,
      onTerminal(['status', '--as', 'ann']).ended,
      onTerminal(['invite', 'create', '--as', 'bob']).ended,
    ])
    expect([plain.code, coloured.code, invite.code]).toEqual([0, 0, 0])
    expect(plain.shown).not.toContain('\u001b')
    expect(coloured.shown).toContain('\u001b[1mann')
    expect(invite.shown).toContain('▄▄▄▄▄')
  })

  test('relay top draws over itself, and Ctrl-C leaves the terminal as it was: 130', async () => {
    const top = onTerminal(['relay', 'top', '--as', 'ann', '--every', '0.2'])
    await top.says('log head')
    top.type('\u0003')
    const { code, shown } = await top.ended
    expect(code).toBe(130)
    expect(shown).toContain('\u001b[?1049h')
    expect(shown.trimEnd().endsWith('\u001b[?1049l')).toBe(true)
  })

  test('the tour waits for Enter between two chapters, and Ctrl-C ends it there', async () => {
    const demo = onTerminal(['demo'])
    await demo.says('Enter goes on')
    // That nothing happens cannot be awaited; what would happen would follow at once.
    await sleep(1_000)
    expect(demo.shown()).not.toContain('Bob falls asleep')
    demo.type('\r')
    await demo.says('Bob falls asleep')
    demo.type('\u0003')
    expect((await demo.ended).code).toBe(130)
  })

  test('Ctrl-C while it waits: 130, soon, and nothing is lost', async () => {
    const waiting = onTerminal(['inbox', '--as', 'bob', '--follow'])
    await waiting.says('Ctrl-C ends')
    waiting.type('\u0003')
    expect((await waiting.ended).code).toBe(130)
    expect((await quick('status --as bob --json')).code).toBe(0)
  })
})
