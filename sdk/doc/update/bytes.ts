/** The bytes are no v1 update within our limits. Thrown inside this folder only; callers get a Result. */
export class MalformedUpdate extends Error {
  override readonly name = 'MalformedUpdate'
}

export const malformed = (what: string): never => {
  throw new MalformedUpdate(what)
}

/** Reads lib0's variable-length encoding from a piece of memory, never past its end, and never more than it holds. */
export interface ByteReader {
  readonly left: number
  byte(): number
  /** 0 to 2^53 − 1. */
  count(): number
  /** Passes over a signed integer. */
  skipInteger(): void
  skip(length: number): void
  /** UTF-8 with its length before it; ill-formed UTF-8 is refused. */
  text(): string
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const MORE = 0x80
const MORE_OF_FIRST = 0x80

export function createByteReader(bytes: Uint8Array): ByteReader {
  let at = 0

  function byte(): number {
    return bytes[at++] ?? malformed('it ends too early')
  }

  function count(): number {
    let value = 0
    let scale = 1
    for (;;) {
      const next = byte()
      value += (next & 0x7f) * scale
      if (value > Number.MAX_SAFE_INTEGER) malformed('a number is too large')
      if (next < MORE) return value
      scale *= 128
    }
  }

  function skip(length: number): void {
    if (length > bytes.length - at) malformed('it ends too early')
    at += length
  }

  return {
    get left() {
      return bytes.length - at
    },
    byte,
    count,
    skipInteger() {
      // Sign and six bits, then seven bits a byte: ten bytes hold any integer that a number can.
      let size = 1
      if (byte() < MORE_OF_FIRST) return
      while (byte() >= MORE) if (++size > 9) malformed('a number is too large')
    },
    skip,
    text() {
      const length = count()
      const start = at
      skip(length)
      try {
        return utf8.decode(bytes.subarray(start, at))
      } catch {
        return malformed('a text is no UTF-8')
      }
    },
  }
}

/** lib0's unsigned integer: seven bits a byte, the lowest first. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Uint8Array.of(...bytes, rest)
}
