import { localWords } from '../completion/local-words.ts'
import { isShell, SHELLS, scriptFor } from '../completion/scripts.ts'
import { fitting } from '../completion/words.ts'
import type { Command } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { escapeLine } from '../text.ts'

/** `posthorn completion <shell>`: its script; `posthorn completion words -- …`: what that asks. */
export const completion: Command<'completion'> = async ({ operands, out, env }) => {
  const [what = '', ...words] = operands
  if (what === 'words') {
    const answer = await fitting(words, localWords(env))
    const found = typeof answer === 'string' ? [{ word: `:${answer}`, help: '' }] : answer
    const lines = found.map(({ word, help }) => (help === '' ? word : `${word}\t${escapeLine(help)}`))
    if (out.json || lines.length > 0) out.result(lines.join('\n'), { words: found })
    return EXIT.ok
  }
  if (!isShell(what) || words.length > 0)
    throw new UsageError(`completion is for ${SHELLS.join(', ')}, got ${JSON.stringify(operands.join(' '))}`)
  // A result ends with a newline of its own.
  out.result(scriptFor(what).trimEnd(), { shell: what, script: scriptFor(what) })
  return EXIT.ok
}
