import { describe, expect, test } from 'vitest'
import { VERB_GROUPS, VERBS, type VerbName } from '#dist/cli/verbs/index.js'
import { tempDir } from '../helpers/temp-dir.ts'
import { inProcess, json, posthorn } from './posthorn.ts'

const verbs = Object.keys(VERBS) as VerbName[]

test('every verb stands in one group of help', () => {
  expect(VERB_GROUPS.flatMap(([, verbs]) => Object.keys(verbs))).toEqual(verbs)
})

describe('help', () => {
  test('without a verb: one screen of 24 lines and 80 columns, each verb or its family in it', async () => {
    const bare = await posthorn([])
    expect([bare.code, bare.stderr]).toEqual([0, ''])
    expect(bare.stdout.split('\n').length).toBeLessThanOrEqual(24)
    for (const line of bare.lines) expect(line.length, line).toBeLessThanOrEqual(80)
    for (const name of verbs) expect(bare.stdout).toMatch(new RegExp(`[ ,](${name}|${name.split(' ')[0]} …)(,|\n)`))
    for (const next of ['posthorn help ', 'posthorn help <verb>']) expect(bare.stdout).toContain(next)
  })

  test('help and --help: the same overview, exit 0, on stdout', async () => {
    const [bare, long, short, verb] = await Promise.all([
      posthorn(['help']),
      inProcess(['--help']),
      inProcess(['-h']),
      inProcess(['help']),
    ])
    expect(bare.code).toBe(0)
    expect(bare.stderr).toBe('')
    for (const name of verbs) expect(bare.stdout).toContain(`\n  ${name}`)
    for (const code of ['0', '1', '2', '3', '4', '5', '6', '130'])
      expect(bare.stdout).toMatch(new RegExp(`^ {2}${code} `, 'm'))
    for (const other of [long, short, verb]) expect(other).toEqual(bare)
  })

  test('every verb has one, with its options and an example', async () => {
    const outcomes = await Promise.all(verbs.map(async verb => ({ verb, ...(await inProcess(['help', verb])) })))
    for (const { verb, code, stdout, stderr } of outcomes) {
      expect(code, verb).toBe(0)
      expect(stderr, verb).toBe('')
      expect(stdout, verb).toMatch(new RegExp(`^posthorn ${verb}\\b`))
      for (const option of [...Object.keys(VERBS[verb].options), 'json', 'quiet', 'help'])
        expect(stdout, verb).toContain(`--${option}`)
      expect(stdout, verb).toMatch(/Examples\n {2}.*posthorn/)
    }
  })

  test('--help anywhere wins over every mistake; after -- it is text', async () => {
    const [wins, isText] = await Promise.all([
      inProcess(['send', '--nonsense', '--help']),
      inProcess(['read', '--', '--help']),
    ])
    expect(wins.code).toBe(0)
    expect(wins.stdout).toMatch(/^posthorn send/)
    expect(isText.code).toBe(2)
    expect(isText.stdout).toBe('')
  })

  test('--json gives the table itself', async () => {
    const outcome = await inProcess(['help', 'send', '--json'])
    expect(json(outcome)).toMatchObject({ v: 1, verb: 'send', options: { wait: { type: 'seconds' } } })
  })

  test('--version', async () => {
    const [plain, asJson] = await Promise.all([posthorn(['--version']), inProcess(['--version', '--json'])])
    expect(plain.stdout).toMatch(/^posthorn \d+\.\d+\.\d+/)
    expect(json(asJson)).toEqual({ v: 1, version: plain.stdout.trim().split(' ')[1] })
  })
})

describe('wrong usage: exit 2, nothing on stdout, one clear line on stderr', () => {
  test.each([
    [['snd'], 'did you mean send?'],
    [['frobnicate'], 'there is no verb "frobnicate"'],
    [['help', 'catchpu'], 'did you mean catchup?'],
    [['card'], 'card wants one of show, set, publish'],
    [['card', 'sho'], 'did you mean card show?'],
    [['contact', '--json'], 'contact wants one of'],
    [['relay', 'chek'], 'did you mean relay check?'],
    [['completion', 'tcsh'], 'completion is for bash, zsh, fish'],
    [['watch'], 'watch needs --exec'],
    [['watch', '--exec', 'true', '--jobs', '0'], '--jobs is at least 1'],
    [['card', 'set', '--skill', 'x'], '--skill takes ID=TEXT'],
    [['card', 'set', '--file', '/nonexistent'], 'cannot be read'],
    [['relay', 'top', '--metrics', 'x'], '--metrics takes a URL'],
    [['relay', 'top', '--every', '0'], 'above 0'],
    [['inbox', '--offlne'], 'did you mean --offline?'],
    [['inbox', '-z'], 'there is no option -z'],
    [['inbox', 'extra'], 'takes no operands'],
    [['send', 'bob'], 'usage: posthorn send <to> <text|->'],
    [['send', 'bob', 'two', 'words'], 'in quotes'],
    [['inbox', '--wait', 'soon'], '--wait takes seconds'],
    [['inbox', '--wait'], '--wait needs a value'],
    [['inbox', '--limit', '1.5'], '--limit takes a whole number'],
    [['inbox', '--json=yes'], '--json takes no value'],
    [['relay', '--port', '65536'], '--port is at most 65535'],
    [['whoami', '--as', 'a', '--home', '/b'], '--as and --home'],
    [['whoami', '--as', '../escape'], 'cannot name a profile'],
    [['init', '--relay', 'http://example.org'], 'is not a relay address'],
    [['read', 'xyz'], 'ids are hex'],
    [['read', 'abc123'], 'at least the first 8'],
    [['req', '{kinds:1}'], 'not JSON'],
    [['count', '[1]'], 'a filter is a JSON object'],
    [['publish', 'hello'], 'give its --kind'],
    [['publish', '{"id":"1"}'], 'event.id'],
  ])('%j', async (args, message) => {
    const outcome = await inProcess(args, { env: { XDG_DATA_HOME: '/nonexistent' } })
    expect(outcome.code).toBe(2)
    expect(outcome.stdout).toBe('')
    expect(outcome.stderr).toContain(message)
    expect(outcome.stderr).not.toContain('    at ')
  })

  test('with --json the error is one object on stderr', async () => {
    const outcome = await posthorn(['inbox', '--nope', '--json'])
    expect(outcome.code).toBe(2)
    expect(outcome.stdout).toBe('')
    expect(JSON.parse(outcome.stderr)).toEqual({
      v: 1,
      error: { code: 'usage', message: 'there is no option --nope', hint: 'posthorn help inbox' },
    })
  })
})

test('a Node that is too old gets one line and exit 1', async () => {
  const pretend = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.18.3'})`
  const outcome = await posthorn(['--version'], { nodeArgs: ['--import', pretend] })
  expect(outcome.code).toBe(1)
  expect(outcome.stdout).toBe('')
  expect(outcome.stderr).toBe('posthorn needs Node 20.19 or later; this is 20.18.3. Install a current Node.\n')
})

test('a profile that is not there: those that are', async () => {
  const env = { XDG_DATA_HOME: tempDir() }
  expect((await inProcess(['inbox'], { env })).stderr).not.toContain('--as chooses')
  for (const name of ['ada', 'bob']) await inProcess(['init', '--as', name], { env })
  const { code, stderr } = await inProcess(['inbox'], { env })
  expect([code, stderr]).toMatchObject([3, expect.stringContaining('--as chooses one that is there: ada, bob\n')])
})

test('on a terminal, help is as wide as that', async () => {
  const { stdout } = await inProcess(['help', 'relay'], { columns: 72 })
  const options = stdout.split('\n').filter(line => line.startsWith('  --') || line.startsWith('        '))
  expect(Math.max(...options.map(line => line.length))).toBeLessThanOrEqual(72)
  expect(options.length).toBeGreaterThan(Object.keys(VERBS.relay.options).length + 10)
})
