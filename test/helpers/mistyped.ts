/**
 * The same text with its last character replaced by another one.
 *
 * A fixed replacement leaves one random bech32 text in 32 as it was.
 */
export const mistyped = (text: string): string => text.slice(0, -1) + (text.endsWith('q') ? 'p' : 'q')
