import type { CliHost } from '../context.ts'

const CTRL_C = '\u0003'

/** While a live screen is shown: `quit` aborts when q is typed. Ctrl-C stays what it is everywhere. */
export function listenForQuit(
  { stdin, stdinIsTerminal }: Pick<CliHost, 'stdin' | 'stdinIsTerminal'>,
  isLive: boolean,
): { readonly quit: AbortSignal; stop(): void } {
  const quitting = new AbortController()
  const terminal = stdin as typeof stdin & { setRawMode?: (raw: boolean) => unknown }
  if (!isLive || !stdinIsTerminal || terminal.setRawMode === undefined) return { quit: quitting.signal, stop() {} }
  const onData = (bytes: Buffer) => {
    const typed = bytes.toString()
    if (/[qQ]/.test(typed)) quitting.abort()
    // In raw mode the terminal sends no signal.
    else if (typed.includes(CTRL_C)) process.kill(process.pid, 'SIGINT')
  }
  terminal.setRawMode(true)
  stdin.on('data', onData)
  stdin.resume()
  return {
    quit: quitting.signal,
    stop() {
      stdin.off('data', onData)
      terminal.setRawMode?.(false)
      stdin.pause()
    },
  }
}
