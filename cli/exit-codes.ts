/** Exit codes are API: scripts rely on them. One table, from which help and README are written. */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'done' },
  failure: { code: 1, meaning: 'failed; stderr says why' },
  usage: { code: 2, meaning: 'wrong usage; nothing was done' },
  empty: { code: 3, meaning: 'nothing there: empty, or not found' },
  refused: { code: 4, meaning: 'the relay refuses this key, or the passphrase does not open it' },
  unreachable: { code: 5, meaning: 'relay unreachable, or time over; sent mail stays queued' },
  integrity: { code: 6, meaning: 'an id or a signature does not hold, or a file is damaged' },
  interrupted: { code: 130, meaning: 'interrupted (Ctrl-C)' },
} as const satisfies Record<string, { readonly code: number; readonly meaning: string }>

export type ExitName = keyof typeof EXIT_CODES
export type ExitCode = (typeof EXIT_CODES)[ExitName]['code']

export const EXIT = Object.freeze(
  Object.fromEntries(Object.entries(EXIT_CODES).map(([name, { code }]) => [name, code])),
) as { readonly [N in ExitName]: (typeof EXIT_CODES)[N]['code'] }
