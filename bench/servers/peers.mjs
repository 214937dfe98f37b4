// Other relays, in the same run. `nostr-relay` comes from the registry into bench/peers at the first use; any other one runs
// already, and is known by its URL.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startServer } from './child.mjs'

const folder = fileURLToPath(new URL('../peers', import.meta.url))
const bench = fileURLToPath(new URL('..', import.meta.url))
const yjs = join(folder, 'yjs')
const INSTALL_MS = 600_000

/** `npm ci` in a folder here, unless it was done. better-sqlite3 11 is compiled where no binary can be downloaded: minutes. */
async function install(signal, say, cwd = folder, args = []) {
  const name = relative(bench, cwd)
  if (existsSync(join(cwd, 'node_modules/.package-lock.json'))) return
  say(`installing bench/${name} (npm ci), once`)
  await new Promise((resolve, reject) => {
    const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', ...args], {
      cwd,
      stdio: ['ignore', 'ignore', 'inherit'],
      signal,
      timeout: INSTALL_MS,
      shell: process.platform === 'win32',
    })
    npm.once('error', reject)
    npm.once('exit', code => (code === 0 ? resolve() : reject(new Error(`npm ci in bench/${name} ended with ${code}`))))
  })
}

export async function nostrRelay(signal, say) {
  await install(signal, say)
  const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  return {
    name: '@nostr-relay/core (SQLite)',
    kind: 'peer',
    version: dependencies['@nostr-relay/core'],
    fresh: true,
    start: data => startServer([join(folder, 'nostr-relay.mjs'), data], { cwd: folder }),
  }
}

/** What the Yjs ecosystem runs; for the state scenario alone. Its store on disk, which it loads and we leave out, comes as a binary. */
export async function yWebsocket(signal, say) {
  await install(signal, say, yjs, ['--ignore-scripts'])
  const { dependencies } = JSON.parse(readFileSync(join(yjs, 'package.json'), 'utf8'))
  return {
    name: 'y-websocket',
    kind: 'peer',
    version: dependencies['y-websocket'],
    fresh: true,
    only: ['state'],
    start: () => startServer([join(yjs, 'server.mjs')], { cwd: yjs }),
  }
}

/** A relay that runs already. It cannot be emptied, so every round publishes events of its own. */
export const external = (name, url, pid) => ({
  name,
  kind: 'external',
  fresh: false,
  start: async () => ({ url, pid, startMs: undefined, told: {}, said: () => '', stop: async () => {} }),
})
