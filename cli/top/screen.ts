import type { CliHost } from '../context.ts'
import { inert } from '../text.ts'

/** The terminal's other screen, without cursor and line wrap; left again whatever happens. */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l'
const LEAVE = '\u001b[?7h\u001b[?25h\u001b[?1049l'
const HOME = '\u001b[H'
const TO_LINE_END = '\u001b[K'
const TO_SCREEN_END = '\u001b[J'

const KEYS = '  q or Ctrl-C ends'

export interface Screen {
  /** It draws over itself, and has a line for keys. */
  readonly isLive: boolean
  /** Replaces what is shown; without a terminal, adds to it. */
  show(page: string): void
  close(): void
}

/** Draws over itself on a terminal if `live`; elsewhere pages follow each other. */
export function createScreen({ stdout }: Pick<CliHost, 'stdout'>, live: boolean): Screen {
  if (!live || stdout.isTTY !== true)
    return { isLive: false, show: page => void stdout.write(`${inert(page, stdout.isTTY === true)}\n`), close() {} }
  let open = true
  const close = () => {
    if (!open) return
    open = false
    process.off('exit', close)
    stdout.write(LEAVE)
  }
  // Also when a second Ctrl-C ends the process on the spot.
  process.once('exit', close)
  stdout.write(ENTER)
  return {
    isLive: true,
    show(page) {
      const rows = 'rows' in stdout && typeof stdout.rows === 'number' ? stdout.rows - 1 : Number.POSITIVE_INFINITY
      // The last line is for the keys.
      const lines = [
        ...inert(page, true)
          .split('\n')
          .slice(0, rows - 1),
        KEYS,
      ]
      stdout.write(`${HOME}${lines.map(line => `${line}${TO_LINE_END}`).join('\n')}\n${TO_SCREEN_END}`)
    },
    close,
  }
}
