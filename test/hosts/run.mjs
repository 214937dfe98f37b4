// npm run test:hosts [-- --smoke]: the real Claude Code, Codex and opencode against a scripted model on loopback. They are large (1.2 GB)
// and installed into a folder of their own when first asked for; where they cannot be had, this says so and runs nothing.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const SMOKE = process.argv.includes('--smoke')
const INSTALL_MS = 300_000
const PACKAGES = fileURLToPath(new URL('packages', import.meta.url))
const report = process.env.POSTHORN_TEST_REPORT

const wanted = JSON.parse(readFileSync(`${PACKAGES}/package.json`, 'utf8')).dependencies
const isThere = () =>
  Object.entries(wanted).every(([name, version]) => {
    const path = `${PACKAGES}/node_modules/${name}/package.json`
    return existsSync(path) && JSON.parse(readFileSync(path, 'utf8')).version === version
  })

function leaveOut(why) {
  console.log(`the coding hosts are not here (${why}): their tests are left out`)
  if (report !== undefined) writeFileSync(report, JSON.stringify({ passed: 0, failed: 0 }))
  process.exit(0)
}

if (process.platform === 'win32') leaveOut('their tests need a POSIX shell')
if (!isThere()) {
  // Exact versions, and no lockfile: it would have to name the binaries of every platform, which npm leaves out.
  const npm = spawnSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel', 'error'], {
    cwd: PACKAGES,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: INSTALL_MS,
  })
  if (npm.status !== 0 || !isThere()) leaveOut('npm could not install test/hosts/packages')
}
for (const [name, version] of Object.entries(wanted)) console.log(`${name} ${version}`)
const { status } = spawnSync('npx', ['vitest', 'run', 'test/hosts'], {
  stdio: 'inherit',
  env: { ...process.env, TEST_HOSTS: SMOKE ? 'smoke' : 'all' },
})
process.exit(status ?? 1)
