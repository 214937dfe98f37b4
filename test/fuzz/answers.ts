import type { Limits } from 'posthorn/protocol'

/** What a frame is owed. */
export interface Expected {
  readonly answered: boolean
  /** Whom the answer is addressed to, as {@link answerKeyOf} names it; undefined = nobody could be read: NOTICE. */
  readonly about: string | undefined
}

const NOTICE: Expected = { answered: true, about: undefined }
const isId = (value: unknown): value is string => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)

/**
 * NIP-01, 42, 45 and 77 in plain words: whatever is wrong with a frame, an id that can be read gets its answer, and only what has none gets a
 * NOTICE. Shares no code with the parser.
 */
export function expectedAnswer(text: string, limits: Limits): Expected {
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return NOTICE
  }
  if (!Array.isArray(frame)) return NOTICE
  const [type, first] = frame
  const isName = typeof first === 'string' && first !== ''
  const isFit = isName && first.length <= limits.subscriptionIdChars && first.isWellFormed()
  switch (type) {
    case 'EVENT':
    case 'AUTH':
    case 'WILL': {
      // Taking a will back has no answer.
      if (type === 'WILL' && first === null) return { answered: false, about: 'will' }
      const isObject = typeof first === 'object' && first !== null && !Array.isArray(first)
      const id = isObject && Object.hasOwn(first, 'id') ? first.id : undefined
      return isId(id) ? { answered: true, about: `ok ${id}` } : NOTICE
    }
    case 'REQ':
    case 'COUNT':
      return isName ? { answered: true, about: `sub ${first}` } : NOTICE
    case 'CLOSE':
      return isFit ? { answered: false, about: `sub ${first}` } : NOTICE
    case 'NEG-OPEN':
    case 'NEG-MSG':
      return isName ? { answered: true, about: `neg ${first}` } : NOTICE
    case 'NEG-CLOSE':
      if (!isName) return NOTICE
      return { answered: !isFit, about: `neg ${first}` }
    default:
      return NOTICE
  }
}

/** Whom a relay's frame answers; undefined for what is not the end of an answer. */
export function answerKeyOf([type, name]: readonly unknown[]): string | undefined {
  switch (type) {
    case 'OK':
      return `ok ${name}`
    case 'EOSE':
    case 'CLOSED':
    case 'COUNT':
      return `sub ${name}`
    case 'NEG-MSG':
    case 'NEG-ERR':
      return `neg ${name}`
    default:
      return undefined
  }
}
