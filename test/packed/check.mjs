// What a user gets: packs the project, installs the tarball into an empty folder and uses it there, on this machine's
// Node and npm, and on Node 24 with npm 12, which blocks the install scripts of dependencies.
// Needs a built dist/. Usage: node test/packed/check.mjs [--report FILE] [--only this|next]
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { parseArgs, promisify } from 'node:util'

const ROOT = resolve(import.meta.dirname, '../..')
const NEXT_NODE = '24'
const NEXT_NPM = '12'
const { values: flags } = parseArgs({ options: { report: { type: 'string' }, only: { type: 'string' } } })
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const work = mkdtempSync(join(tmpdir(), 'posthorn-packed-'))
/** Files of our own in the tarball: 1,130 today. */
const MOST_FILES = 1_300
const tally = { passed: 0, failed: 0 }

async function check(name, run) {
  const started = performance.now()
  const took = () => `${((performance.now() - started) / 1000).toFixed(1)} s`
  try {
    const value = await run()
    tally.passed += 1
    console.log(`ok    ${name} (${took()})`)
    return value
  } catch (error) {
    tally.failed += 1
    console.log(`FAIL  ${name} (${took()})\n      ${String(error.message).trim().replaceAll('\n', '\n      ')}`)
    return undefined
  }
}
const skip = (name, why) => console.log(`skip  ${name}: ${why}`)
const must = (condition, message) => {
  if (!condition) throw new Error(message)
}

/** What npm tells its own scripts must not steer the npm we start; the user's registry, cache and certificates stay. */
const OWN_TO_A_RUN =
  /^npm_(?!config_)|^npm_config_(local_prefix|prefix|global_prefix|global|node_gyp|npm_version|user_agent|globalconfig|init_module)$/i
const cleanEnv = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OWN_TO_A_RUN.test(name)))

/** Runs a program to its end; the error of one that fails shows the tail of what it said. */
async function run(file, args, { cwd, env = cleanEnv, seconds = 300 }) {
  const options = { cwd, env, timeout: seconds * 1000, killSignal: 'SIGKILL', maxBuffer: 64 * 2 ** 20 }
  const running = promisify(execFile)(file, args, options)
  running.child.stdin?.end()
  try {
    return (await running).stdout
  } catch (error) {
    const why = error.killed ? `took longer than ${seconds} s` : `exit ${error.code}`
    const said = `${error.stdout ?? ''}${error.stderr ?? ''}`.trim().split('\n').slice(-15).join('\n')
    throw new Error(`${[file, ...args].join(' ')}: ${why}\n${said}`)
  }
}

/** Every file that the manifest promises: exports (types and code) and bin. */
function promised() {
  const paths = Object.values(manifest.bin)
  const walk = target => (typeof target === 'string' ? paths.push(target) : Object.values(target).forEach(walk))
  walk(manifest.exports)
  return [...new Set(paths.map(path => path.replace(/^\.\//, '')))]
}
const read = path => readFileSync(join(ROOT, path), 'utf8')
const codeExports = Object.keys(manifest.exports)
  .filter(name => !name.endsWith('.json'))
  .map(name => manifest.name + name.slice(1))

async function pack() {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', work]
  const [packed] = Object.values(JSON.parse(await run('npm', args, { cwd: ROOT })))
  console.log(`      ${packed.files.length} files, ${(packed.size / 1024).toFixed(0)} KiB`)
  return { tarball: join(work, packed.filename), files: packed.files.map(file => file.path) }
}

function checkContents(files) {
  const missing = promised().filter(path => !files.includes(path))
  must(missing.length === 0, `package.json names files that are not packed: ${missing.join(', ')}`)
  const absent = manifest.files.filter(entry => !files.some(file => file === entry || matchesGlob(file, entry)))
  must(absent.length === 0, `"files" names what does not exist: ${absent.join(', ')}`)
  const own = files.filter(file => !file.startsWith('node_modules/'))
  const stray = own.filter(file => /(^|\/)(test|bench|node_modules)\/|\.(tgz|db|key|pem|env|map)$/.test(file))
  const sources = own.filter(file => /\.ts$/.test(file) && !/\.d\.ts$/.test(file) && !file.startsWith('examples/'))
  must(stray.length + sources.length === 0, `files that no user needs: ${[...stray, ...sources].join(', ')}`)
  const mapped = own.filter(file => /\.js$/.test(file) && read(file).includes('sourceMappingURL='))
  must(mapped.length === 0, `modules that name a source map, which is not packed: ${mapped.join(', ')}`)
  const bundled = new Set(files.filter(file => file.startsWith('node_modules/')).map(file => file.split('/')[1]))
  must([...bundled].sort().join() === 'better-sqlite3,node-addon-api', `bundled: ${[...bundled].join(', ')}`)
  must(
    own.length <= MOST_FILES,
    `${own.length} files of our own, ${MOST_FILES} are allowed: what is new, and who uses it?`,
  )
}

/** A path of "files": a file, a folder, or a pattern. */
function matchesGlob(file, entry) {
  if (file.startsWith(`${entry}/`)) return true
  const pattern = entry
    .replaceAll('.', '\\.')
    .replace(/\{([^}]*)\}/g, (_, names) => `(${names.replaceAll(',', '|')})`)
    .replaceAll('**/', '(.+/)?')
    .replace(/(?<!\.)\*/g, '[^/]*')
  return new RegExp(`^${pattern}$`).test(file)
}

/** The registry's tools know how a package's entries are read: by Node, by bundlers, by each setting of TypeScript. */
async function lint(tarball) {
  const cwd = join(work, 'lint')
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'package.json'), '{"private":true,"type":"module"}\n')
  const tools = ['publint@0.3.25', '@arethetypeswrong/core@0.18.5']
  await run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', ...tools], { cwd })
  writeFileSync(join(cwd, 'lint.mjs'), LINT)
  await run(process.execPath, ['lint.mjs', tarball], { cwd, seconds: 120 })
}
const LINT = `
import { readFileSync } from 'node:fs'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
const bytes = readFileSync(process.argv[2])
const said = []
const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) }, level: 'warning', strict: true })
for (const message of messages) said.push('publint: ' + formatMessage(message, pkg))
const { problems } = await checkPackage(createPackageFromTarballData(new Uint8Array(bytes)))
// The package is ESM: CommonJS of Node 20.19 and later can require it, and 'node10' resolution knows no exports at all.
const known = ({ kind, resolutionKind }) => kind === 'CJSResolvesToESM' || resolutionKind === 'node10'
for (const problem of problems ?? []) if (!known(problem)) said.push('types: ' + JSON.stringify(problem))
if (said.length > 0) throw new Error(said.join('\\n'))
`

/** This machine's runtime, as `npm` and `npx` on PATH run it. */
const thisRuntime = {
  label: `Node ${process.versions.node}, this machine's npm`,
  folder: 'this',
  npm: ['npm'],
  npx: ['npx'],
  env: cleanEnv,
}

/** Node 24 and npm 12 out of packages, or why not here. */
async function nextRuntime() {
  const label = `Node ${NEXT_NODE}, npm ${NEXT_NPM}`
  const nodePackage = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
  if (process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined)
    return { label, missing: 'its Node package needs glibc' }
  const home = join(work, 'runtime')
  mkdirSync(home)
  writeFileSync(join(home, 'package.json'), '{"private":true}\n')
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts']
  const found = await run('npm', ['view', `${nodePackage}@${NEXT_NODE}`, 'version', '--json'], { cwd: home }).catch(
    () => '',
  )
  if (found.trim() === '') return { label, missing: `there is no package ${nodePackage}@${NEXT_NODE}` }
  await run('npm', ['install', ...quiet, `${nodePackage}@${NEXT_NODE}`, `npm@${NEXT_NPM}`], { cwd: home })
  const bin = join(home, 'node_modules', nodePackage, 'bin')
  const node = join(bin, process.platform === 'win32' ? 'node.exe' : 'node')
  const cli = name => [node, join(home, 'node_modules/npm/bin', name)]
  return {
    label,
    folder: 'next',
    npm: cli('npm-cli.js'),
    npx: cli('npx-cli.js'),
    bin,
    env: { ...cleanEnv, PATH: `${bin}${delimiter}${process.env.PATH}` },
  }
}

const IMPORT_ALL = `
for (const name of ${JSON.stringify(codeExports)}) {
  const module = await import(name).catch(cause => { throw new Error('cannot import ' + name, { cause }) })
  if (Object.keys(module).length === 0) throw new Error(name + ' exports nothing')
}
console.log(process.version)
`
const RUN_RELAY = `
import { createRelay } from '${manifest.name}/relay'
import { parseRelayFrame } from '${manifest.name}/protocol'
import WebSocket from 'ws'
const relay = await createRelay({ data: 'relay-data' })
const socket = new WebSocket(await relay.listen({ port: 0 }))
// The AUTH that greets the connection comes first, then the epoch.
const answer = new Promise((resolve, reject) => {
  socket.on('message', text => String(text).startsWith('["EOSE"') && resolve(text))
  socket.on('error', reject)
})
socket.on('open', () => socket.send('["REQ","s",{"since_seq":0}]'))
const frame = parseRelayFrame(String(await answer))
if (!frame.ok || frame.value.type !== 'EOSE' || frame.value.hints.epoch === undefined) throw new Error('no EOSE with an epoch')
socket.terminate()
await relay.close()
`

async function checkRuntime(runtime, tarball) {
  const cwd = join(work, runtime.folder)
  mkdirSync(cwd)
  writeFileSync(join(cwd, 'package.json'), '{"name":"a-user","private":true,"type":"module"}\n')
  const home = {
    XDG_CONFIG_HOME: 'xdg/config',
    XDG_DATA_HOME: 'xdg/data',
    XDG_STATE_HOME: 'xdg/state',
    XDG_CACHE_HOME: 'xdg/cache',
  }
  const env = {
    ...runtime.env,
    ...Object.fromEntries(Object.entries(home).map(([name, path]) => [name, join(cwd, path)])),
  }
  const start = ([file, ...first], args, options) => run(file, [...first, ...args], { cwd, env, ...options })
  const node = [runtime.bin === undefined ? process.execPath : runtime.npm[0]]
  const step = (name, action) => check(`${runtime.label}: ${name}`, action)

  const installed = await step('npm install <tarball>', async () => {
    await start(runtime.npm, ['install', '--no-audit', '--no-fund', tarball], { env: runtime.env, seconds: 900 })
    must(existsSync(join(cwd, 'node_modules', manifest.name)), 'npm said nothing and installed nothing')
    return true
  })
  if (installed === undefined) return

  await step('every export imports', async () => {
    writeFileSync(join(cwd, 'import-all.mjs'), IMPORT_ALL)
    const said = await start(node, ['import-all.mjs'], { seconds: 60 })
    if (runtime.bin !== undefined) must(said.startsWith(`v${NEXT_NODE}.`), `ran on ${said.trim()}`)
  })

  await step('a relay runs on SQLite and answers', async () => {
    writeFileSync(join(cwd, 'run-relay.mjs'), RUN_RELAY)
    await start(node, ['run-relay.mjs'], { seconds: 60 })
  })

  await step('types resolve for a strict user', async () => {
    const names = codeExports.map((name, index) => `import * as m${index} from '${name}'`)
    const uses = codeExports.map((_, index) => `m${index}`)
    writeFileSync(join(cwd, 'use.ts'), `${names.join('\n')}\nexport const all = [${uses.join(', ')}]\n`)
    const options = {
      strict: true,
      module: 'nodenext',
      target: 'es2023',
      lib: ['es2023', 'dom'],
      noEmit: true,
      skipLibCheck: false,
      types: ['node'],
    }
    writeFileSync(join(cwd, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['use.ts'] }))
    // A user of TypeScript on Node has these two; our own development types stay out of reach.
    mkdirSync(join(cwd, 'node_modules/@types'), { recursive: true })
    for (const [from, to] of [
      ['@types/node', '@types/node'],
      ['undici-types', 'undici-types'],
    ])
      if (!existsSync(join(cwd, 'node_modules', to)))
        symlinkSync(join(ROOT, 'node_modules', from), join(cwd, 'node_modules', to), 'dir')
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const said = await run(process.execPath, [tsc, '-p', '.', '--pretty', 'false', '--preserveSymlinks'], {
      cwd,
      seconds: 120,
    }).catch(error => error.message)
    const ours = said
      .split('\n')
      .filter(line => line.startsWith('use.ts') || line.startsWith(`node_modules/${manifest.name}/`))
    must(ours.length === 0, ours.slice(0, 15).join('\n'))
  })

  const hasCli = existsSync(join(ROOT, Object.values(manifest.bin)[0]))
  if (!hasCli) return skip(`${runtime.label}: the command line`, 'it is not built')
  await step('npx posthorn --version', async () => {
    const said = await start(runtime.npx, ['--no', '--', manifest.name, '--version'], { seconds: 60 })
    must(said.includes(manifest.version), `said ${said.trim()}, not ${manifest.version}`)
  })
  await step('npx posthorn demo', () => start(runtime.npx, ['--no', '--', manifest.name, 'demo'], { seconds: 120 }))
}

try {
  const packed = await check('npm pack', pack)
  if (packed !== undefined) {
    const { tarball, files } = packed
    await check('every path of exports, bin and files is in the tarball', () => checkContents(files))
    await check('publint and are-the-types-wrong find nothing', () => lint(tarball))
    if (flags.only !== 'next') await checkRuntime(thisRuntime, tarball)
    if (flags.only !== 'this') {
      const next = await check(`Node ${NEXT_NODE} and npm ${NEXT_NPM} are at hand`, nextRuntime)
      if (next?.missing !== undefined) skip(next.label, next.missing)
      else if (next !== undefined) await checkRuntime(next, tarball)
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true, maxRetries: 3 })
}
console.log(`packed: ${tally.passed} passed, ${tally.failed} failed`)
if (flags.report !== undefined) writeFileSync(flags.report, JSON.stringify(tally))
process.exitCode = tally.failed === 0 ? 0 : 1
