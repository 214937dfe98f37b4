import { buffer } from 'node:stream/consumers'
import { systemClock } from '../platform/clock.ts'
import { systemTimers } from '../platform/timers.ts'
import { confirmOn } from './confirm.ts'
import { EXIT } from './exit-codes.ts'
import { main } from './main.ts'
import { readSecretFrom } from './passphrase.ts'
import { decodeText } from './text-bytes.ts'

/** How long a command may clean up after the first signal, in ms. */
const CLEANUP_MS = 5_000

/** Within this many ms two signals are one press: `npm` and `timeout` pass on what the terminal had sent already. */
const SAME_PRESS_MS = 300

/** Runs one command line as this process: signals, broken pipes, flushed streams, exit code. Does not return. */
export async function runProcess(argv: readonly string[]): Promise<never> {
  const { stdin, stdout, stderr, env } = process
  const interruption = new AbortController()
  let firstAt = 0
  const onSignal = () => {
    const now = systemClock.monotonic()
    if (interruption.signal.aborted) {
      // The second signal means "now": being killed at any moment is safe by design.
      if (now - firstAt > SAME_PRESS_MS) process.exit(EXIT.interrupted)
      return
    }
    firstAt = now
    interruption.abort()
    systemTimers.after(CLEANUP_MS, () => process.exit(EXIT.interrupted), { background: true })
  }
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal)
  let onReload: (() => void) | undefined
  // A terminal that goes away ends what ran in it; a supervisor's hang-up asks for a reload, where the command has one.
  process.on('SIGHUP', () => (onReload === undefined || stderr.isTTY || stdout.isTTY ? onSignal() : onReload()))
  // The reader of a pipe may leave early (`| head`); that ends the work, quietly.
  for (const stream of [stdout, stderr]) stream.on('error', () => process.exit(EXIT.ok))

  const code = await main(argv, {
    stdout,
    stderr,
    env,
    signal: interruption.signal,
    clock: systemClock,
    timers: systemTimers,
    stdin,
    readStdin: async () => decodeText(await buffer(stdin), 'what came on stdin', { keepMark: true }),
    stdinIsTerminal: stdin.isTTY === true,
    onReload: run => {
      onReload = run
    },
    readSecret:
      stdin.isTTY && stderr.isTTY
        ? prompt => readSecretFrom(stdin, stderr, prompt, { signal: interruption.signal, onInterrupt: onSignal })
        : undefined,
    confirm:
      stdin.isTTY && stderr.isTTY ? question => confirmOn(stdin, stderr, question, interruption.signal) : undefined,
  })
  await Promise.all([stdout, stderr].map(stream => new Promise(flushed => stream.write('', flushed))))
  return process.exit(code)
}
