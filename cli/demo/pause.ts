import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'

/** Waits for Enter. Ends as well when the input does, or the signal aborts: Ctrl-C stays a signal. */
export function enterOn(input: Readable, output: Writable, prompt: string, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve()
    output.write(prompt)
    // Not as a terminal: that would take Ctrl-C for itself.
    const lines = createInterface({ input, terminal: false })
    const done = () => {
      signal.removeEventListener('abort', done)
      lines.close()
      resolve()
    }
    lines.once('line', done)
    lines.once('close', done)
    signal.addEventListener('abort', done, { once: true })
  })
}
