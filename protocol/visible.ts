/**
 * Characters that could steer a terminal, or disguise or hide text: C0 and C1 controls, line separators, bidirectional
 * overrides and isolates, invisible characters, tags and supplementary variation selectors. Newline and tab are harmless in
 * a body and kept by {@link escapeText}.
 */
export const STEERING =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the purpose
  /[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\u{e0000}-\u{e01ef}]/gu

const visible = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** Text of others, safe on a terminal; newlines and tabs stay. */
export const escapeText = (text: string): string =>
  text.replace(STEERING, character => (character === '\n' || character === '\t' ? character : visible(character)))
