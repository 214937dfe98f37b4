// README's first commands and a user's own install, on a machine with Node alone: PATH has node, the package manager, sh,
// git and coreutils, so no Python, make or compiler. Node and the package managers come as npm packages.
// Needs a built dist/. Usage: node test/install/check.mjs [--smoke] [--only WORD] [--report FILE]
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { answers, must, run, stopAll } from './program.mjs'
import { machine, tools } from './tools.mjs'

const ROOT = resolve(import.meta.dirname, '../..')
const { values: flags } = parseArgs({
  options: { smoke: { type: 'boolean' }, only: { type: 'string' }, report: { type: 'string' } },
})
const work = mkdtempSync(join(tmpdir(), 'posthorn-install-'))
const tally = { passed: 0, failed: 0 }
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

const TOOLS = 'Node and the package managers come from the registry'

async function check(name, action) {
  if (flags.only !== undefined && name !== TOOLS && !name.includes(flags.only)) return
  const started = performance.now()
  const took = () => `${((performance.now() - started) / 1000).toFixed(1)} s`
  try {
    const missing = await action()
    if (missing !== undefined) return console.log(`skip  ${name}: ${missing}`)
    tally.passed += 1
    console.log(`ok    ${name} (${took()})`)
  } catch (error) {
    tally.failed += 1
    console.log(`FAIL  ${name} (${took()})\n      ${String(error.message).trim().replaceAll('\n', '\n      ')}`)
  } finally {
    await stopAll()
  }
}

/** The files that git knows, as a clone of the next commit would have them. */
function copyOfCheckout(to) {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean)
  for (const file of listed) {
    mkdirSync(dirname(join(to, file)), { recursive: true })
    cpSync(join(ROOT, file), join(to, file))
  }
}

/** What is said where the driver of Node 20 could be neither downloaded nor compiled. */
const NO_DRIVER = /No SQLite for Node 20.*use Node 22 or later.*Python 3, make and a C\+\+ compiler/s

async function clone(node, npm) {
  const { env, missing } = await machine(work, { node, manager: `npm@${npm}` })
  if (missing !== undefined) return missing
  const cwd = mkdtempSync(join(work, 'clone-'))
  copyOfCheckout(cwd)
  const installed = await run('npm ci', { cwd, env })
  // Settings of the user who runs this test are not ours.
  const warned = installed.split('\n').filter(line => /^npm warn/i.test(line) && !/Unknown \w+ config/.test(line))
  must(warned.length === 0, `npm ci warns:\n${warned.join('\n')}`)
  if (NO_DRIVER.test(installed)) {
    const said = await run('npm start -- --port 0', { cwd, env, fails: true })
    must(NO_DRIVER.test(said), `npm start does not say what is missing:\n${said}`)
    must(/With npm: npm /.test(said), `no command for npm:\n${said}`)
  } else await answers('npm start -- --port 0 --json', { cwd, env })
  rmSync(cwd, { recursive: true, force: true })
}

const MANAGERS = {
  npm: { add: 'npm install', again: 'npm ci', start: 'npx --no -- posthorn' },
  pnpm: { add: 'pnpm add', again: 'pnpm install --frozen-lockfile', start: 'pnpm exec posthorn' },
  yarn: { add: 'yarn add', again: 'yarn install --immutable', start: 'yarn posthorn' },
  bun: { add: 'bun add', again: 'bun install --frozen-lockfile', start: 'bun run posthorn' },
}

async function consumer(node, manager, tarball, files = {}) {
  const { env, missing } = await machine(work, { node, manager })
  if (missing !== undefined) return missing
  const name = manager.replace(/@.*/, '')
  const { add, again, start } = MANAGERS[name]
  const cwd = mkdtempSync(join(work, 'user-'))
  writeFileSync(join(cwd, 'package.json'), '{"name":"a-user","private":true,"type":"module"}\n')
  for (const [file, text] of Object.entries(files)) writeFileSync(join(cwd, file), text)
  await run(`${add} ${tarball}`, { cwd, env })
  rmSync(join(cwd, 'node_modules'), { recursive: true, force: true })
  await run(again, { cwd, env })
  const said = await run(`${start} --version`, { cwd, env })
  must(said.includes(version), `--version says ${said}`)
  const relay = `${start} relay --port 0 --json --data ${join(cwd, 'data')}`
  const refused =
    node === '20' ? await run(relay, { cwd, env, fails: true, seconds: 15 }).catch(() => undefined) : undefined
  if (refused !== undefined && NO_DRIVER.test(refused))
    must(refused.includes(`With ${name}: `), `no command for ${name}:\n${refused}`)
  else await answers(relay, { cwd, env })
  rmSync(cwd, { recursive: true, force: true })
}

const YARN = linker => ({ 'yarn.lock': '', '.yarnrc.yml': `nodeLinker: ${linker}\nenableTelemetry: false\n` })
const PNP = YARN('pnp')
const NODE_MODULES = YARN('node-modules')

const matrix = {
  clones: flags.smoke ? [['24', '11']] : ['20', '22', '24'].flatMap(node => ['10', '11', '12'].map(npm => [node, npm])),
  users: flags.smoke
    ? [
        ['22', 'npm@10'],
        ['24', 'yarn@4', PNP],
      ]
    : ['20', '22', '24'].flatMap(node => [
        [node, 'npm@10'],
        [node, 'npm@11'],
        [node, 'npm@12'],
        [node, 'pnpm@10'],
        [node, 'yarn@4', NODE_MODULES],
        [node, 'yarn@4', PNP],
        [node, 'bun@1'],
      ]),
}
/** npm 12 does not run on Node 20. */
const exists = ([node, manager]) => node !== '20' || !/^(npm@)?12$/.test(manager)
const clones = matrix.clones.filter(exists)
const users = matrix.users.filter(exists)

try {
  await check(TOOLS, () =>
    tools(
      work,
      new Set([...clones, ...users].map(([node]) => node)),
      new Set([...clones.map(([, npm]) => `npm@${npm}`), ...users.map(([, manager]) => manager)]),
    ),
  )
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', work], { cwd: ROOT, stdio: 'ignore' })
  const tarball = join(
    work,
    readdirSync(work).find(file => file.endsWith('.tgz')),
  )
  for (const [node, npm] of clones)
    await check(`clone, Node ${node}, npm ${npm}: npm ci && npm start`, () => clone(node, npm))
  for (const [node, manager, files] of users) {
    const how = files === undefined ? manager : `${manager} ${files === PNP ? "Plug'n'Play" : 'node-modules'}`
    await check(`user, Node ${node}, ${how}: add, install again, a relay answers`, () =>
      consumer(node, manager, tarball, files),
    )
  }
} finally {
  await stopAll()
  rmSync(work, { recursive: true, force: true, maxRetries: 3 })
}
console.log(`install: ${tally.passed} passed, ${tally.failed} failed`)
if (flags.report !== undefined) writeFileSync(flags.report, JSON.stringify(tally))
process.exitCode = tally.failed === 0 ? 0 : 1
