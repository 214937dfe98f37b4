import type { Output } from '../output.ts'
import { escapeText } from '../text.ts'

/** Something the demo says, and whether it was seen to hold. */
export interface Claim {
  readonly name: string
  readonly ok: boolean
  readonly text: string
  /** What was seen instead. */
  readonly saw?: string
}

/** A claim that does not hold; the message is what was seen instead. */
export class ClaimError extends Error {
  override readonly name = 'ClaimError'
  readonly code = 'claim-failed'
}

/** Throws {@link ClaimError} unless `holds`. */
export function see(holds: boolean, saw: string): asserts holds {
  if (!holds) throw new ClaimError(saw)
}

export interface Claims {
  readonly made: readonly Claim[]
  /** Runs the proof first and only then speaks; a proof that throws is printed with what was seen, and thrown on. */
  check<T>(name: string, text: string, prove: () => T | Promise<T>): Promise<T>
  /** A heading between claims, with what it is about; waits for the reader before all but the first. */
  chapter(title: string, about: string): Promise<void>
}

/** `pause` resolves when the reader wants to go on; without it the claims run through. */
export function createClaims(out: Output, pause?: () => Promise<void>): Claims {
  const made: Claim[] = []
  let chapters = 0
  const speak = (line: string) => {
    if (!out.json) out.result(line, {})
  }
  return {
    made,
    async check(name, text, prove) {
      try {
        const value = await prove()
        made.push({ name, ok: true, text })
        speak(`  ${out.paint.green('✓')} ${text}`)
        return value
      } catch (error) {
        const saw = error instanceof Error ? error.message : String(error)
        made.push({ name, ok: false, text, saw })
        speak(`  ${out.paint.red('✗')} ${text}\n      ${escapeText(saw)}`)
        throw error
      }
    },
    async chapter(title, about) {
      if (chapters > 0) await pause?.()
      chapters += 1
      speak(`\n${out.paint.bold(title)}\n  ${out.paint.dim(about)}`)
    },
  }
}
