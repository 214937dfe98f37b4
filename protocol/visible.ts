/**
 * Characters that could steer a terminal, or disguise or hide text: C0 and C1 controls, line separators, bidirectional overrides and
 * isolates, and everything that Unicode calls default-ignorable (soft hyphens, joiners, variation selectors, fillers, tags), with the
 * format controls that are not but are as invisible. Source: Unicode 15.1, DerivedCoreProperties.txt.
 */
const HIDDEN = String.raw`[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufff9-\ufffb\u{13430}-\u{1345f}\p{Default_Ignorable_Code_Point}]`

const PICTURE = String.raw`\p{Extended_Pictographic}`
const SKIN = String.raw`[\u{1f3fb}-\u{1f3ff}]`
/** Scripts whose spelling needs joiners between letters. */
const JOINING = `[${[
  'Arabic',
  'Syriac',
  'Nko',
  'Devanagari',
  'Bengali',
  'Gurmukhi',
  'Gujarati',
  'Oriya',
  'Tamil',
  'Telugu',
  'Kannada',
  'Malayalam',
  'Sinhala',
  'Khmer',
  'Myanmar',
]
  .map(script => String.raw`\p{Script=${script}}`)
  .join('')}]`
const tagged = (letters: string): string =>
  [...letters].map(letter => `\\u{${(0xe0000 + letter.charCodeAt(0)).toString(16)}}`).join('')

/**
 * Where such a character belongs to what is seen, and stays: the three flags made of tags that are in use (England, Scotland, Wales),
 * keycaps, one variation selector behind a picture, a joiner between two pictures or between two letters of a script that joins, and a
 * Mongolian variation selector behind its letter. Each allows at most one hidden character for one that is seen.
 */
const SEEN = [
  String.raw`\u{1f3f4}(?:${['gbeng', 'gbsct', 'gbwls'].map(tagged).join('|')})\u{e007f}`,
  String.raw`[0-9#*]\ufe0f\u20e3`,
  String.raw`(?<=${PICTURE})[\ufe0e\ufe0f]`,
  String.raw`(?<=${PICTURE}(?:\ufe0f|${SKIN})?)\u200d(?=${PICTURE})`,
  String.raw`(?<=${JOINING}\p{M}?)[\u200c\u200d](?=${JOINING})`,
  String.raw`(?<=\p{Script=Mongolian})[\u180b-\u180f]`,
].join('|')

const PATTERN = new RegExp(`(${SEEN})|${HIDDEN}`, 'gu')

/** Replaces each hidden character by what `write` makes of it. */
export const replaceHidden = (text: string, write: (character: string) => string): string =>
  text.replace(PATTERN, (character: string, seen: string | undefined) => seen ?? write(character))

const visible = (character: string): string => {
  const code = character.codePointAt(0) ?? 0
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`
}

/** Text of others, safe on a terminal and with nothing hidden in it; newlines and tabs stay. */
export const escapeText = (text: string): string =>
  replaceHidden(text, character => (character === '\n' || character === '\t' ? character : visible(character)))
