/** What hooks run begins with the program and goes on like this: by it our own are known again. */
export const WAKE_MARK = ['wake', '--host'] as const

/** How long a session may sit idle and still be woken, in seconds: two weeks. The waiting program ends with its host before. */
export const WAIT_S = 1_200_000
/** Seconds that a host lets its hook run; hosts count in milliseconds, of which a 32-bit timer holds 2,147,483 s. */
export const HOOK_S = 1_209_600

/** Words as one line for a POSIX shell. */
export const shellLine = (words: readonly string[]): string =>
  words.map(word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ')
