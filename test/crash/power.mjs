// npm run test:power: gets strace where that is allowed, then runs the power-loss test. Exits 0 with a clear line where tracing is impossible.
import { spawnSync } from 'node:child_process'

const run = (command, args, options = {}) => spawnSync(command, args, { stdio: 'inherit', ...options }).status
const canTrace = () =>
  process.platform === 'linux' && run('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' }) === 0

if (!canTrace() && process.platform === 'linux' && process.getuid?.() === 0) {
  const apt = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: 120_000 }
  if (run('apt-get', ['install', '-y', 'strace'], apt) !== 0)
    if (run('apt-get', ['update'], apt) === 0) run('apt-get', ['install', '-y', 'strace'], apt)
}
const possible = canTrace()
const status = run('npx', ['vitest', 'run', 'test/crash/power-loss.test.ts'], {
  env: {
    ...process.env,
    TRACED_EVENTS: process.env.TRACED_EVENTS ?? '400',
    ...(possible ? { REQUIRE_TRACE: '1' } : {}),
  },
})
if (!possible) console.log('SKIPPED: power loss was not tested, because system calls cannot be traced here')
process.exit(status ?? 1)
