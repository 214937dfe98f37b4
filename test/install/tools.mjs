// Node and package managers out of npm packages, and a PATH with nothing else on it.
import { execFile, execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const PACKAGES = { yarn: '@yarnpkg/cli-dist' }
const CORE =
  'basename cat chmod cp cut date dirname echo env expr false head id ln ls mkdir mktemp mv printf pwd readlink realpath rm rmdir sleep sort tail test touch tr true uname wc'
/** Debian and Alpine have it in their smallest images; launchers that pnpm writes call it. */
const ALSO_FOR_PNPM = 'sed'

const nodePackage = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
const npmrc = name => execFileSync('npm', ['config', 'get', name], { encoding: 'utf8' }).trim()
const missing = new Map()

/** Installs each tool into a folder of its own; those that cannot be had are remembered with the reason. */
export async function tools(work, nodes, managers) {
  if (process.platform === 'win32') return 'Windows has no sh and no coreutils'
  await Promise.all(
    [...[...nodes].map(version => `${nodePackage}@${version}`), ...managers].map(tool => install(work, tool)),
  )
  return undefined
}

async function install(work, tool) {
  const cwd = join(work, 'tools', tool)
  mkdirSync(cwd, { recursive: true })
  writeFileSync(join(cwd, 'package.json'), '{"private":true}\n')
  const [name, version] = tool.split('@')
  const spec = `${PACKAGES[name] ?? name}@${version}`
  try {
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', spec], { cwd })
  } catch (error) {
    missing.set(tool, `${tool} cannot be installed: ${String(error.stderr).trim().split('\n')[0]}`)
  }
}

const which = name =>
  process.env.PATH.split(delimiter)
    .map(folder => join(folder, name))
    .find(file => {
      try {
        accessSync(file, constants.X_OK)
        return true
      } catch {
        return false
      }
    })

/** The environment of a machine with this Node and package manager alone, or why there is none. */
export async function machine(work, { node, manager }) {
  const nodeTool = `${nodePackage}@${node}`
  for (const tool of [nodeTool, manager]) {
    if (missing.has(tool)) return { missing: missing.get(tool) }
    if (!existsSync(join(work, 'tools', tool))) return { missing: `${tool} is not here` }
  }
  const home = join(work, 'machines', `${node}-${manager}`)
  const bin = join(home, 'bin')
  if (!existsSync(bin)) furnish(work, bin, nodeTool, manager)
  const keep = Object.entries(process.env).filter(([name]) => /(_proxy$|CERT|SSL|^LANG$)/i.test(name))
  const registry = npmrc('registry')
  const env = {
    ...Object.fromEntries(keep),
    PATH: bin,
    HOME: home,
    TMPDIR: process.env.TMPDIR ?? '/tmp',
    // The registry, its certificates and its cache are this user's; nothing else of theirs is.
    npm_config_userconfig: npmrc('userconfig'),
    npm_config_cache: npmrc('cache'),
    npm_config_update_notifier: 'false',
    YARN_NPM_REGISTRY_SERVER: registry,
    YARN_ENABLE_GLOBAL_CACHE: 'true',
    // In CI yarn refuses to write the first lockfile.
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    BUN_CONFIG_REGISTRY: registry,
  }
  return { env }
}

function furnish(work, bin, nodeTool, manager) {
  mkdirSync(bin, { recursive: true })
  const [name] = manager.split('@')
  const modules = join(work, 'tools', manager, 'node_modules')
  const link = (file, as) => file !== undefined && symlinkSync(file, join(bin, as))
  const script = (as, file) => writeFileSync(join(bin, as), `#!/bin/sh\nexec node ${file} "$@"\n`, { mode: 0o755 })
  link(join(work, 'tools', nodeTool, 'node_modules', nodePackage, 'bin/node'), 'node')
  link('/bin/sh', 'sh')
  for (const each of ['git', ...CORE.split(' '), ...(name === 'pnpm' ? [ALSO_FOR_PNPM] : [])]) link(which(each), each)
  if (name === 'npm') for (const each of ['npm', 'npx']) script(each, join(modules, `npm/bin/${each}-cli.js`))
  if (name === 'pnpm') script('pnpm', join(modules, 'pnpm/bin/pnpm.cjs'))
  if (name === 'yarn') script('yarn', join(modules, '@yarnpkg/cli-dist/bin/yarn.js'))
  if (name === 'bun') {
    const builds = readdirSync(join(modules, '@oven')).map(build => join(modules, '@oven', build, 'bin/bun'))
    link(builds.find(works), 'bun')
  }
}

function works(file) {
  try {
    execFileSync(file, ['--version'], { stdio: 'pipe' })
    return true
  } catch {
    return false
  }
}
