import type { Duplex } from 'node:stream'
import type { FrameRun } from './frame-run.ts'
import type { SharedText } from './shared-text.ts'

/** Handed to the system in one piece; also how fine the progress of a slow reader is seen. */
const WRITE_BYTES = 65_536
const SCRATCH_BYTES = 4 * WRITE_BYTES
const FINAL_TEXT = 0x81
/** First byte, length byte, and eight more for lengths of 64 KiB and above. */
const MOST_HEADER_BYTES = 10

/** Whose frames they are. */
export interface FrameSource {
  /** The system has taken some of what was written. */
  onTaken(): void
}

/** The frame writers of one server: who has something to write this turn, and the memory that frames are laid out in. */
export class FrameWriters {
  #waiting: FrameWriter[] = []
  #scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
  #used = 0

  open(stream: Duplex, source: FrameSource): FrameWriter {
    return new FrameWriter(this, stream, source)
  }

  /** Flushes this writer when the turn of the event loop is over. */
  wake(writer: FrameWriter): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#flushAll())
    this.#waiting.push(writer)
  }

  /** Memory for `size` bytes until the next call. */
  take(size: number): Buffer {
    if (size > SCRATCH_BYTES) return Buffer.allocUnsafeSlow(size)
    if (this.#used + size > SCRATCH_BYTES) {
      this.#scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)
      this.#used = 0
    }
    return this.#scratch.subarray(this.#used, this.#used + size)
  }

  /** The first `size` bytes of what was taken last are still being read from: they are not handed out again. */
  keep(size: number): void {
    this.#used = Math.min(SCRATCH_BYTES, this.#used + size)
  }

  #flushAll(): void {
    const writers = this.#waiting
    this.#waiting = []
    for (const writer of writers) writer.flush()
  }
}

interface Frame {
  /** Bytes of payload. */
  readonly size: number
  readonly head: SharedText | undefined
  readonly body: string | SharedText
  readonly tail: string
}

/** A run of frames, and how far it has been laid out. */
class Run {
  readonly #run: FrameRun
  readonly #bytes: Buffer
  #index = 0
  #at = 0
  /** Bytes of payload that are left. */
  left = 0

  constructor(run: FrameRun) {
    const { head, texts, numbers, tail } = run
    const { bytes, ends } = texts
    this.#run = run
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    this.left = bytes.length + ends.length * (head.bytes.length + tail.length)
    if (numbers !== undefined) for (const number of numbers) this.left += 1 + digitsOf(number)
  }

  get ended(): boolean {
    return this.#index === this.#run.texts.ends.length
  }

  /** Bytes that are left, with their headers, at the most. */
  get most(): number {
    return this.left + (this.#run.texts.ends.length - this.#index) * MOST_HEADER_BYTES
  }

  /** Bytes of payload of the next frame. */
  get nextSize(): number {
    const { head, texts, numbers, tail } = this.#run
    const text = (texts.ends[this.#index] ?? 0) - this.#at
    const number = numbers === undefined ? 0 : 1 + digitsOf(numbers[this.#index] ?? 0)
    return head.bytes.length + text + number + tail.length
  }

  /** Lays out as many frames as fit, and one at least if `at` is 0. Returns where the last one ends. */
  layOut(target: Buffer, at: number): number {
    const { head, texts, numbers, tail } = this.#run
    let end = at
    while (!this.ended) {
      const size = this.nextSize
      if (end > 0 && end + size + MOST_HEADER_BYTES > target.length) break
      const textEnd = texts.ends[this.#index] ?? 0
      end = layOutHeader(target, end, size)
      target.set(head.bytes, end)
      end += head.bytes.length
      end += this.#bytes.copy(target, end, this.#at, textEnd)
      if (numbers !== undefined) end = layOutAscii(`,${numbers[this.#index] ?? 0}`, target, end)
      end = layOutAscii(tail, target, end)
      this.left -= size
      this.#at = textEnd
      this.#index += 1
    }
    return end
  }
}

/** Of a whole number that is not negative. */
function digitsOf(number: number): number {
  let digits = 1
  for (let least = 10; number >= least; least *= 10) digits += 1
  return digits
}

/**
 * The text frames of one WebSocket, server side (RFC 6455: unmasked): all of one turn leave in few large writes, and what the
 * system does not take at once waits here, as references to what is shared. Control frames that others write past it stand
 * between frames, never inside one.
 */
export class FrameWriter {
  readonly #writers: FrameWriters
  readonly #stream: Duplex
  readonly #source: FrameSource
  #queue: (Frame | Run)[] = []
  #queuedBytes = 0
  /** Writes of ours that the stream has not finished. */
  #underway = 0
  #awake = false
  #onWritten: ((error?: Error | null) => void) | undefined

  constructor(writers: FrameWriters, stream: Duplex, source: FrameSource) {
    this.#writers = writers
    this.#stream = stream
    this.#source = source
  }

  /** What waits here and in the stream. */
  get unsentBytes(): number {
    return this.#queuedBytes + this.#stream.writableLength
  }

  /** Queues one text frame of up to three parts; the tail is ASCII. */
  send(body: string | SharedText, head?: SharedText, tail = ''): void {
    const size =
      (typeof body === 'string' ? Buffer.byteLength(body) : body.bytes.length) +
      (head === undefined ? 0 : head.bytes.length) +
      tail.length
    this.#queue.push({ size, head, body, tail })
    this.#queuedBytes += size
    if (this.#queuedBytes >= WRITE_BYTES) this.flush()
    else if (!this.#awake) {
      this.#awake = true
      this.#writers.wake(this)
    }
  }

  /** Queues a frame for each text of a run. */
  sendRun(frames: FrameRun): void {
    const run = new Run(frames)
    if (run.ended) return
    this.#queue.push(run)
    this.#queuedBytes += run.left
    if (this.#queuedBytes >= WRITE_BYTES) this.flush()
    else if (!this.#awake) {
      this.#awake = true
      this.#writers.wake(this)
    }
  }

  /** Writes as much as the system takes, and the rest when it has. */
  flush(): void {
    this.#awake = false
    while (this.#queue.length > 0 && (this.#underway === 0 || this.#stream.writableLength === 0)) this.#write()
  }

  /** Hands everything to the stream, for whoever is to write behind it. */
  flushAll(): void {
    while (this.#queue.length > 0) this.#write()
  }

  #write(): void {
    if (!this.#stream.writable) return this.#drop()
    const target = this.#writers.take(this.#nextBytes())
    let end = 0
    let done = 0
    for (const item of this.#queue) {
      if (item instanceof Run) {
        this.#queuedBytes -= item.left
        end = item.layOut(target, end)
        this.#queuedBytes += item.left
        if (!item.ended) break
      } else {
        if (end > 0 && end + item.size + MOST_HEADER_BYTES > target.length) break
        end = layOut(item, target, end)
        this.#queuedBytes -= item.size
      }
      done += 1
    }
    if (done === this.#queue.length) this.#queue = []
    else this.#queue.splice(0, done)
    this.#underway += 1
    this.#onWritten ??= error => {
      this.#underway -= 1
      // Of a failed stream the close follows.
      if (error) return
      this.flush()
      this.#source.onTaken()
    }
    this.#stream.write(target.subarray(0, end), this.#onWritten)
    // What was not taken at once, as it usually is, is still being read from.
    if (this.#stream.writableLength > 0) this.#writers.keep(end)
  }

  /** What the next write takes at most: a frame that is larger than a write goes alone. */
  #nextBytes(): number {
    let bytes = 0
    for (const item of this.#queue) {
      const first = (item instanceof Run ? item.nextSize : item.size) + MOST_HEADER_BYTES
      if (bytes > 0 && bytes + first > WRITE_BYTES) break
      bytes += item instanceof Run ? Math.max(first, Math.min(item.most, WRITE_BYTES - bytes)) : first
      if (bytes >= WRITE_BYTES) break
    }
    return bytes
  }

  #drop(): void {
    this.#queue = []
    this.#queuedBytes = 0
  }
}

/** Lays out a frame at `at` and returns where it ends. */
function layOut({ size, head, body, tail }: Frame, target: Buffer, at: number): number {
  let end = layOutHeader(target, at, size)
  const start = end
  if (head !== undefined) {
    target.set(head.bytes, end)
    end += head.bytes.length
  }
  if (typeof body === 'string') {
    // As many bytes as characters: ASCII, which is copied without a look at it.
    const bytes = size - tail.length - (end - start)
    end += target.write(body, end, body.length === bytes ? 'latin1' : 'utf8')
  } else {
    target.set(body.bytes, end)
    end += body.bytes.length
  }
  return layOutAscii(tail, target, end)
}

function layOutAscii(text: string, target: Buffer, at: number): number {
  for (let index = 0; index < text.length; index += 1) target[at + index] = text.charCodeAt(index)
  return at + text.length
}

function layOutHeader(target: Buffer, at: number, size: number): number {
  target[at] = FINAL_TEXT
  if (size < 126) {
    target[at + 1] = size
    return at + 2
  }
  if (size < 65_536) {
    target[at + 1] = 126
    target[at + 2] = size >>> 8
    target[at + 3] = size & 0xff
    return at + 4
  }
  target[at + 1] = 127
  target.writeBigUInt64BE(BigInt(size), at + 2)
  return at + 10
}
