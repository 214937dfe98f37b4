// Published Nostr clients against this relay: each queries, subscribes (stored, then live), closes, and ends by itself.
// npm run test:interop [-- name…]; --report FILE writes {"passed":…,"failed":…}. They are installed in this folder when they are not there.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const HERE = import.meta.dirname
const DIST = join(HERE, '../../../dist')
const LIMIT_MS = 20_000
const AIONOSTR = 'aionostr==0.20.0'
const venv = join(HERE, 'node_modules/.venv')
const python = join(venv, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python')

const { values, positionals } = parseArgs({ options: { report: { type: 'string' } }, allowPositionals: true })

/** What each one is run with, and the words expected of it. */
const WHOLE = ['queried 3', 'stored 3', 'eose', 'live', 'closed']
const CLIENTS = [
  { name: 'nostr-tools', run: [process.execPath, 'nostr-tools.mjs'], words: WHOLE },
  { name: 'nostrify', run: [process.execPath, 'nostrify.mjs'], words: WHOLE },
  { name: 'nostr-fetch', run: [process.execPath, 'nostr-fetch.mjs'], words: ['queried 3', 'stored 3', 'closed'] },
  { name: 'nostr-relaypool', run: [process.execPath, 'nostr-relaypool.mjs'], words: WHOLE },
  { name: 'welshman', run: [process.execPath, 'welshman.mjs'], words: WHOLE },
  { name: 'aionostr', run: [python, 'aionostr_client.py'], words: WHOLE, needs: installPython },
  {
    name: 'aionostr, compressed',
    run: [python, 'aionostr_client.py'],
    words: WHOLE,
    needs: installPython,
    deflate: true,
  },
]

function quietly(command, args, timeout) {
  const { status, stderr, error } = spawnSync(command, args, { cwd: HERE, encoding: 'utf8', timeout })
  if (status === 0) return undefined
  return (stderr || String(error ?? `exit ${status}`)).trim().split('\n').at(-1)
}

function installNode() {
  const { dependencies } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'))
  if (Object.keys(dependencies).every(name => existsSync(join(HERE, 'node_modules', name)))) return undefined
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  return quietly(npm, ['install', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'], 120_000)
}

/** Undefined, or why it cannot be had here. */
function installPython() {
  if (existsSync(python) && quietly(python, ['-c', 'import aionostr'], 20_000) === undefined) return undefined
  const made = quietly('python3', ['-m', 'venv', venv], 60_000)
  return made ?? quietly(python, ['-m', 'pip', 'install', '--quiet', AIONOSTR], 120_000)
}

const { createRelay, createMemoryStore } = await import(join(DIST, 'relay/index.js'))
const { publicKeyOf, signEvent } = await import(join(DIST, 'protocol/index.js'))
const { connect } = await import(join(DIST, 'sdk/index.js'))
const secretKey = new Uint8Array(createHash('sha256').update('interop').digest())
const author = publicKeyOf(secretKey)
const now = Math.floor(Date.now() / 1000)
const note = n => signEvent({ kind: 1, created_at: now + n, tags: [], content: `note ${n}` }, secretKey)

/** Runs one client against a relay of its own. Resolves to undefined, or to what was wrong. */
async function check({ run: [command, script], words, deflate = false }) {
  const relay = await createRelay({ store: createMemoryStore(), deflate })
  const url = await relay.listen({ port: 0 })
  const publisher = await connect(url)
  for (const n of [-3, -2, -1]) await publisher.publish(await note(n))
  const live = await note(0)
  const child = spawn(command, [script, url, author], { cwd: HERE, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = []
  let errors = ''
  let rest = ''
  child.stderr.on('data', data => {
    errors += data
  })
  child.stdout.on('data', data => {
    const lines = `${rest}${data}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      said.push(line)
      if (line === 'eose') void publisher.publish(live)
    }
  })
  let late = false
  const timer = setTimeout(() => {
    late = true
    child.kill('SIGKILL')
  }, LIMIT_MS)
  const code = await new Promise(resolve => {
    child.once('error', error => {
      errors += error.message
      resolve(-1)
    })
    child.once('close', resolve)
  })
  clearTimeout(timer)
  await publisher.close()
  await relay.close()
  const expected = words.map(word => (word === 'live' ? `live ${live.id}` : word))
  const wrong = expected.find((word, index) => said[index] !== word)
  if (wrong !== undefined) return `no "${wrong}"; it said ${JSON.stringify(said)} ${errors.slice(-500)}`
  if (late) return `did everything and did not end in ${LIMIT_MS / 1000} s`
  return code === 0 ? undefined : `ended with ${code}: ${errors.slice(-500)}`
}

const wanted = positionals.length === 0 ? CLIENTS : CLIENTS.filter(({ name }) => positionals.includes(name))
let passed = 0
let failed = 0
let skipped = 0
const missing = installNode()
for (const client of wanted) {
  const why = client.needs === undefined ? missing : client.needs()
  if (why !== undefined) {
    skipped += 1
    console.log(`skip  ${client.name}: it cannot be installed here (${why})`)
    continue
  }
  const started = performance.now()
  const wrong = await check(client)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  if (wrong === undefined) passed += 1
  else failed += 1
  console.log(
    `${wrong === undefined ? 'ok  ' : 'FAIL'}  ${client.name} (${seconds} s)${wrong === undefined ? '' : `: ${wrong}`}`,
  )
}
console.log(`interop: ${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} left out`}`)
if (values.report !== undefined) writeFileSync(values.report, JSON.stringify({ passed, failed }))
process.exit(failed > 0 ? 1 : 0)
