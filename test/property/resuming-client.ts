import { type Cursor, encode, type FilterJson, parseRelayFrame, type RelayFrame } from 'posthorn/protocol'
import { expect } from 'vitest'
import WebSocket from 'ws'
import type { Dice } from '../relay/dice.ts'
import { Fold } from '../relay/fold.ts'

/** What all clients of one game have been told: no seq may ever mean two things. */
export type Meanings = Map<number, string>

/**
 * A client that lives by the rules of log order and by nothing else: it asks from its cursor, takes what it is told, and
 * is cut off at any moment. Every frame is checked as it comes.
 */
export class ResumingClient {
  readonly fold = new Fold()
  readonly name: string
  readonly filters: readonly FilterJson[]
  /** What happened, for the game to prove that it was worth playing. */
  readonly seen = { events: 0, gone: 0, pages: 0, cuts: 0, closed: 0 }
  cursor: Cursor | undefined
  readonly #meanings: Meanings
  readonly #line = new Set<string>()
  #subs = 0

  constructor(name: string, filters: readonly FilterJson[], meanings: Meanings) {
    this.name = name
    this.filters = filters
    this.#meanings = meanings
  }

  /**
   * One connection: pages until `finish`, then live, until the socket ends, `cut.frames` frames have come, or nothing more has
   * come for `cut.idleMs` after `finish`. Cuts count frames, so a fast and a slow machine play the same game. Resolves to
   * whether it was complete up to `until` (then it ends at once).
   */
  live(
    url: string,
    random: Dice,
    cut: { readonly frames: number; readonly idleMs: number } | undefined,
    until?: number,
  ): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url, { perMessageDeflate: false })
      let sub = ''
      let epoch = ''
      let last = 0
      let finished = false
      let ended = false
      let frames = 0
      const cutOff = () => {
        this.seen.cuts += 1
        end()
      }
      const end = (error?: unknown) => {
        if (ended) return
        ended = true
        clearTimeout(timer)
        socket.terminate()
        if (error === undefined) resolve(finished && until !== undefined && last >= until)
        else reject(error)
      }
      let timer = setTimeout(end, 20_000)
      const ask = () => {
        this.#subs += 1
        sub = `${this.name} ${this.#subs}`
        epoch = ''
        const since_seq = this.cursor?.seq ?? 0
        const limit = 1 + random.below(25)
        const position = {
          since_seq,
          limit,
          gone: true,
          ...(this.cursor === undefined ? {} : { epoch: this.cursor.epoch }),
        }
        socket.send(encode.req(sub, ...this.filters.map(filter => ({ ...filter, ...position }))))
      }
      const at = (seq: number) => {
        expect(seq, `${this.name}: a position after ${last}`).toBeGreaterThan(last)
        last = seq
        this.cursor = { epoch, seq }
      }
      const means = (seq: number, meaning: string) => {
        expect(this.#meanings.get(seq) ?? meaning, `what seq ${seq} means`).toBe(meaning)
        this.#meanings.set(seq, meaning)
      }
      const onFrame = (frame: RelayFrame) => {
        if (!('sub' in frame) || frame.sub !== sub) return
        if (epoch === '' && frame.type !== 'CLOSED') {
          expect(frame, 'the first frame').toMatchObject({ type: 'SEQ', seq: this.cursor?.seq ?? 0 })
          if (frame.type === 'SEQ') [epoch, last] = [frame.epoch, frame.seq]
          return
        }
        switch (frame.type) {
          case 'EVENT':
            at(frame.seq ?? 0)
            means(frame.seq ?? 0, frame.event.id)
            expect(this.#line.has(frame.event.id), `${this.name} was told ${frame.event.id} twice`).toBe(false)
            this.#line.add(frame.event.id)
            this.fold.add(frame.event)
            this.seen.events += 1
            break
          case 'GONE':
            at(frame.seq)
            means(frame.seq, `gone ${frame.target}`)
            this.fold.remove(frame.target)
            this.seen.gone += 1
            break
          case 'SEQ':
            at(frame.seq)
            break
          case 'EOSE': {
            const { complete, seq, epoch: told } = frame.hints
            expect(told).toBe(epoch)
            expect(seq).toBeGreaterThanOrEqual(last)
            last = seq ?? 0
            this.cursor = { epoch, seq: last }
            this.seen.pages += 1
            if (complete === 'more') return ask()
            expect(complete).toBe('finish')
            finished = true
            break
          }
          case 'CLOSED':
            expect(frame.message, 'why a subscription was closed').toMatch(/^error: /)
            this.seen.closed += 1
            return end()
        }
        if (finished && until !== undefined && last >= until) end()
      }
      socket.on('open', ask)
      socket.on('message', data => {
        if (ended) return
        try {
          const frame = parseRelayFrame(data.toString())
          if (!frame.ok) throw new Error(frame.error)
          onFrame(frame.value)
          frames += 1
          if (cut === undefined || ended) return
          if (frames >= cut.frames) return cutOff()
          if (!finished) return
          clearTimeout(timer)
          timer = setTimeout(cutOff, cut.idleMs)
        } catch (error) {
          end(error)
        }
      })
      socket.on('error', () => {})
      socket.on('close', () => end())
    })
  }
}
