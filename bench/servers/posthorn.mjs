// Our relay as anybody starts it: the command, its own process, SQLite in a folder.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startServer } from './child.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const command = fileURLToPath(new URL('../../dist/cli/posthorn.js', import.meta.url))
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

/** From the fastest to the slowest. */
export const TIERS = ['native', 'wasm', 'noble']

/** Whether this build lets one choose the verifier. */
export function hasTiers() {
  return execFileSync(process.execPath, [command, 'relay', '--help'], { encoding: 'utf8' }).includes('--verifier')
}

/** A target with one verifier tier; without `tier` whatever the relay has. */
export function posthorn(tier) {
  return {
    name: tier === undefined ? 'posthorn' : `posthorn (${tier})`,
    kind: 'posthorn',
    tier,
    version,
    fresh: true,
    speaksSeq: true,
    start: data =>
      startServer(
        [
          command,
          'relay',
          '--json',
          '--port',
          '0',
          '--data',
          data,
          ...(tier === undefined ? [] : ['--verifier', tier]),
        ],
        { cwd: root },
      ),
  }
}
