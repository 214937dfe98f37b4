import type { Duplex } from 'node:stream'
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

/**
 * The text frames of one WebSocket, server side (RFC 6455: unmasked): all of one turn leave in few large writes, and what the
 * system does not take at once waits here, as references to what is shared. Control frames that others write past it stand
 * between frames, never inside one.
 */
export class FrameWriter {
  readonly #writers: FrameWriters
  readonly #stream: Duplex
  readonly #source: FrameSource
  #queue: Frame[] = []
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
    const [frames, most] = this.#nextFrames()
    const target = this.#writers.take(most)
    let end = 0
    for (const frame of frames) {
      end = layOut(frame, target, end)
      this.#queuedBytes -= frame.size
    }
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

  /** Takes off the queue what fits into one write, and says how many bytes it has at most. */
  #nextFrames(): [frames: Frame[], bytes: number] {
    let count = 0
    let bytes = 0
    for (const { size } of this.#queue) {
      if (count > 0 && bytes + size + MOST_HEADER_BYTES > WRITE_BYTES) break
      bytes += size + MOST_HEADER_BYTES
      count += 1
    }
    if (count < this.#queue.length) return [this.#queue.splice(0, count), bytes]
    const frames = this.#queue
    this.#queue = []
    return [frames, bytes]
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
  for (let index = 0; index < tail.length; index += 1) target[end + index] = tail.charCodeAt(index)
  return end + tail.length
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
