// Headless Chromium, the system's own (Debian's package), driven by playwright-core. Nothing is downloaded but by apt.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const PATHS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** The executable, installed first where that is possible; or why there is none. */
export function findChromium() {
  const found = () => PATHS.find(path => path !== undefined && existsSync(path))
  if (found() === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    console.log('      installing chromium with apt-get')
    const apt = args =>
      execFileSync('apt-get', args, {
        stdio: 'pipe',
        timeout: 600_000,
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      })
    try {
      try {
        apt(['install', '-y', '--no-install-recommends', 'chromium'])
      } catch {
        apt(['update'])
        apt(['install', '-y', '--no-install-recommends', 'chromium'])
      }
    } catch (error) {
      return {
        missing: `apt-get cannot install chromium: ${String(error.stderr ?? error.message)
          .trim()
          .split('\n')
          .at(-1)}`,
      }
    }
  }
  const path = found()
  return path === undefined ? { missing: 'there is no chromium; install it, or name one in CHROMIUM' } : { path }
}

/** A browser on a folder of its own; what a site keeps there survives it. */
export const openBrowser = (path, profile) =>
  chromium.launchPersistentContext(profile, { executablePath: path, headless: true, args: FLAGS })
