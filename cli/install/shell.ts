/** What hooks run begins with the program and goes on like this: by it our own are known again. */
export const WAKE_MARK = ['wake', '--host'] as const

/** Words as one line for a POSIX shell. */
export const shellLine = (words: readonly string[]): string =>
  words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ')
