import { type Random, randomHex } from '../platform/random.ts'
import { escapeText } from '../protocol/visible.ts'

/**
 * Keeps words of others apart from ours. They stand between two marks that carry a nonce of this call: what was written before
 * the call cannot know it, so no content closes its own fence. Control and invisible characters are shown, not passed on.
 */
export interface Fence {
  readonly nonce: string
  /** Something was fenced. */
  readonly isUsed: boolean
  wrap(text: string): string
}

const NONCE_CHARS = 24
/** What looks like a mark of ours inside a text is taken apart. */
const MARK = /\[(\s*\/?\s*)(posthorn-data)/gi

export function createFence(random: Random): Fence {
  const nonce = randomHex(random, NONCE_CHARS)
  let isUsed = false
  return {
    nonce,
    get isUsed() {
      return isUsed
    },
    wrap(text) {
      isUsed = true
      const inner = escapeText(text).replace(MARK, '[\\$1$2')
      return `[posthorn-data ${nonce}]\n${inner}\n[/posthorn-data ${nonce}]`
    },
  }
}
