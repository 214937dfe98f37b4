import type { FrameRun } from '../platform/frame-run.ts'
import type { SharedText } from '../platform/shared-text.ts'
import type { Socket, SocketEvents } from '../platform/socket.ts'
import type { Cancel, Timers } from '../platform/timers.ts'
import type { Verifier } from '../platform/verifier.ts'
import { CLOSE } from '../protocol/close-codes.ts'
import { byteLength, exceedsBytes, type NostrEvent } from '../protocol/event.ts'
import type { Filter } from '../protocol/filter.ts'
import { type ClientFrame, encode, type FrameError, parseClientFrame } from '../protocol/frames.ts'
import { type EoseHints, encodeHints, SEQ_SUBPROTOCOL } from '../protocol/hints.ts'
import type { Limits } from '../protocol/limits.ts'
import { REASONS, reason } from '../protocol/reasons.ts'
import { refuseAuth } from './auth.ts'
import type { Follower, Outlet } from './follower.ts'
import type { Ingest } from './ingest.ts'
import type { LiveIndex } from './live.ts'
import { type NegentropyHost, NegentropySessions } from './negentropy.ts'
import { Outflow, type OutflowOwner } from './outflow.ts'
import type { Peer, Sender } from './policy/policy.ts'
import { Probation } from './policy/probation.ts'
import { ReadAhead, type ReadAheadHost } from './read-ahead.ts'
import type { WillKeeper } from './wills.ts'

/** Below what makes a peer believe that the relay is dead. */
const LONGEST_PAUSE_MS = 10_000

/** What a connection needs of the relay. */
export interface ConnectionHost {
  readonly limits: Limits
  readonly timers: Timers
  readonly ingest: Ingest
  readonly live: LiveIndex
  readonly verifier: Verifier
  readonly wills: WillKeeper
  readonly negentropy: NegentropyHost
  readonly readAhead: ReadAheadHost
  /** The relay's own URLs, normalised; empty = AUTH is not offered. */
  readonly urls: ReadonlySet<string>
  /** Every EOSE carries hints, also to clients that have not shown that they read them. */
  readonly eoseHintsAlways: boolean
  /** Nothing at all is done here before AUTH. */
  readonly authRequired: boolean
  /** Charges an attempt to publish that could not even be read. Returns the reason of a refusal, or undefined. */
  charge(sender: Sender, bytes: number): string | undefined
  /** Charges bytes that came in. Returns the milliseconds that the peer's sockets are to be left unread. */
  received(peer: Peer, bytes: number): number
  /** Keeps the address of a peer out for a while. */
  penalize(peer: Peer): void
  /** A fresh AUTH challenge. */
  challenge(): string
  /** Seconds. */
  now(): number
  /** Called once, when the connection has ended. */
  leave(connection: Connection, peer: Peer): void
  /** Starts a subscription; it is filed under its id before this returns. */
  subscribe(connection: Connection, sub: string, filters: readonly Filter[]): void
  count(connection: Connection, sub: string, filters: readonly Filter[]): void
}

/** One client: its frames in arrival order, its subscriptions, and how much it has left unread. */
export class Connection implements Outlet, OutflowOwner, Sender, SocketEvents {
  readonly #socket: Socket
  readonly #peer: Peer
  readonly #host: ConnectionHost
  readonly #followers = new Map<string, Follower>()
  /** Made for the first one. */
  #negentropy: NegentropySessions | undefined
  readonly #outflow: Outflow
  /** Made for the first page in log order. */
  #readAhead: ReadAhead | undefined
  #ended = false
  /** How it ended, as wills see it: the client said goodbye. */
  #clean = false
  #deaf = false
  #challenge: string | undefined
  #refusedAuths = 0
  /** Set while an AUTH or WILL is being verified: frames after it wait, so that they take effect in arrival order. */
  #waiting: ClientFrame[] | undefined
  #unanswered = 0
  #paused = false
  /** Set while more came from this address than is read at once. */
  #throttled: Cancel | undefined
  #acceptedAuths = 0
  #probation: Probation | undefined
  #forgeries = 0
  #malformed = 0
  /** The client has shown that it reads EOSE hints. */
  #readsHints: boolean

  constructor(socket: Socket, peer: Peer, host: ConnectionHost) {
    this.#socket = socket
    this.#peer = peer
    this.#host = host
    this.#readsHints = host.eoseHintsAlways || socket.protocol === SEQ_SUBPROTOCOL
    this.#outflow = new Outflow(this, socket, host)
  }

  /** Keys authenticated on this connection (NIP-42), in the order they came. */
  keys: readonly string[] = []

  get address(): string | undefined {
    return this.#peer.address
  }

  get unthrottled(): boolean {
    return this.#peer.unthrottled
  }

  /** Greets: the challenge comes first, so that a client has it when it needs it. */
  open(): void {
    const { limits, timers, authRequired } = this.#host
    if (authRequired || !this.unthrottled)
      this.#probation = new Probation({ limits, timers, authRequired, fail: why => this.end(CLOSE.policy, why) })
    if (this.#host.urls.size === 0) return
    this.#challenge = this.#host.challenge()
    this.send(encode.challenge(this.#challenge))
  }

  /** From now on nothing more is read; what was, is still answered. */
  stopReading(): void {
    this.#deaf = true
  }

  onText(text: string): void {
    if (this.#deaf) return
    const { limits } = this.#host
    if (exceedsBytes(text, limits.frameBytes))
      return this.end(CLOSE.tooBig, `a frame is at most ${limits.frameBytes} bytes`)
    if (this.#probation !== undefined) {
      this.#probation.onMessage(byteLength(text))
      if (this.#ended) return
    }
    const wait = this.#host.received(this.#peer, text.length)
    if (wait > 0) this.#throttle(wait)
    const frame = parseClientFrame(text, limits)
    if (frame.ok && this.#probation?.onFrame()) this.#probation = undefined
    if (!frame.ok) this.#refuseFrame(frame.error, text.length)
    else if (this.#waiting !== undefined) this.#wait(frame.value)
    else this.#handle(frame.value)
  }

  onClose(code: number = CLOSE.goingAway): void {
    if (this.#ended) return
    this.#ended = true
    this.#clean = code === CLOSE.normal
    this.#host.wills.onEnd(this, this.#clean)
    for (const follower of this.#followers.values()) this.#drop(follower)
    this.#negentropy?.closeAll()
    this.#readAhead?.drop()
    this.#outflow.end()
    this.#throttled?.()
    this.#probation?.end()
    this.#host.leave(this, this.#peer)
  }

  onDrain(): void {
    this.#outflow.onDrain()
  }

  send(text: string): void {
    this.#outflow.send(text)
  }

  /** Ends the stored part of a subscription. Published clients take an EOSE of three elements for no EOSE, so hints go only where they are read. */
  sendEose(sub: string, hints: EoseHints): void {
    this.send(encode.eose(sub, this.#readsHints ? encodeHints(hints) : undefined))
  }

  sendParts(head: SharedText, body: string | SharedText, tail: string): void {
    this.#outflow.sendParts(head, body, tail)
  }

  sendRun(run: FrameRun): void {
    this.#outflow.sendRun(run)
  }

  get readAhead(): ReadAhead {
    this.#readAhead ??= new ReadAhead(this.#host.readAhead)
    return this.#readAhead
  }

  get ended(): boolean {
    return this.#ended
  }

  get congested(): boolean {
    return this.#outflow.congested
  }

  inTurn<T>(run: () => Promise<T>): Promise<T> {
    return this.#outflow.inTurn(run)
  }

  /** Files a subscription under its id, in place of an older one. Its filters are live from here on. */
  adopt(follower: Follower): void {
    this.#followers.set(follower.sub, follower)
    this.#host.live.add(follower)
  }

  /** Ends a subscription from our side and says why. */
  closeSubscription(sub: string, message: string): void {
    this.retire(sub)
    this.send(encode.closed(sub, message))
  }

  /** Ends a subscription without a word: CLOSE, a page that is complete, a REQ that takes its id. */
  retire(sub: string): void {
    const follower = this.#followers.get(sub)
    if (follower === undefined) return
    this.#followers.delete(sub)
    this.#drop(follower)
  }

  get followers(): Iterable<Follower> {
    return this.#followers.values()
  }

  /** Closes the connection; `onClose` follows from the socket, our own bookkeeping ends now. */
  end(code: number, why: string): void {
    if (this.#ended) return
    this.#deaf = true
    this.#socket.close(code, why)
    // Ended by us: whatever the peer's handshake says, its will stands.
    this.onClose(code)
  }

  #handle(frame: ClientFrame): void {
    if (
      (frame.type === 'REQ' || frame.type === 'COUNT') &&
      frame.filters.some(({ since_seq }) => since_seq !== undefined)
    )
      this.#readsHints = true
    switch (frame.type) {
      case 'EVENT':
        return this.#publish(frame.event)
      case 'REQ': {
        this.retire(frame.sub)
        const { subscriptions } = this.#host.limits
        if (this.#followers.size >= subscriptions)
          return this.send(
            encode.closed(
              frame.sub,
              reason('rate-limited', `${subscriptions} subscriptions are open; CLOSE one first`),
            ),
          )
        return this.#host.subscribe(this, frame.sub, frame.filters)
      }
      case 'COUNT':
        return this.#host.count(this, frame.sub, frame.filters)
      case 'CLOSE':
        return this.retire(frame.sub)
      case 'AUTH':
        return this.#authenticate(frame.event)
      case 'WILL':
        return this.#hold(this.#depositWill(frame.event))
      case 'NEG-OPEN':
        return this.#reconciling.open(frame.sub, frame.filter, frame.message)
      case 'NEG-MSG':
        return this.#reconciling.message(frame.sub, frame.message)
      case 'NEG-CLOSE':
        return this.#negentropy?.close(frame.sub)
    }
  }

  get #reconciling(): NegentropySessions {
    this.#negentropy ??= new NegentropySessions(this.#host.negentropy, this)
    return this.#negentropy
  }

  #waitAll(frames: readonly ClientFrame[]): void {
    for (const frame of frames) this.#wait(frame)
  }

  #wait(frame: ClientFrame): void {
    this.#waiting?.push(frame)
    this.#regulate()
  }

  /** A client that sends faster than it is answered waits in its own socket, not in our memory. */
  #regulate(): void {
    const { unverified } = this.#host.limits
    const held = this.#unanswered + this.#outflow.turns + (this.#waiting?.length ?? 0)
    const isThrottled = this.#throttled !== undefined
    if (!this.#paused && (held >= unverified || isThrottled)) {
      this.#paused = true
      this.#socket.pause?.()
    } else if (this.#paused && held <= unverified / 2 && !isThrottled) {
      this.#paused = false
      this.#socket.resume?.()
    }
  }

  /** The socket is read on when what its address has sent is paid for. */
  #throttle(ms: number): void {
    this.#throttled?.()
    this.#throttled = this.#host.timers.after(
      Math.min(ms, LONGEST_PAUSE_MS),
      () => {
        this.#throttled = undefined
        this.#regulate()
      },
      { background: true },
    )
    this.#regulate()
  }

  /** Frames that come before `done` settles wait for it. */
  #hold(done: Promise<void>): void {
    const waiting: ClientFrame[] = []
    this.#waiting = waiting
    const release = () => {
      this.#waiting = undefined
      for (const [index, frame] of waiting.entries()) {
        if (this.#ended) return
        // A frame may have to be waited for in its turn; the rest then waits behind it.
        if (this.#isWaiting) return this.#waitAll(waiting.slice(index))
        this.#handle(frame)
      }
      this.#regulate()
    }
    done.then(release, release)
  }

  get #isWaiting(): boolean {
    return this.#waiting !== undefined
  }

  #authenticate(event: NostrEvent): void {
    const { urls, limits } = this.#host
    const refusal =
      this.#challenge === undefined
        ? reason('unsupported', 'this relay does not know its public URL and offers no AUTH')
        : refuseAuth(event, { challenge: this.#challenge, urls, now: this.#host.now() })
    if (refusal !== undefined) return this.#refuseAuth(event.id, refusal)
    // Repetitions count: each is one more signature to check.
    if (this.#acceptedAuths >= limits.authKeys)
      return this.#refuseAuth(event.id, reason('rate-limited', `${limits.authKeys} AUTHs were accepted here already`))
    this.#hold(
      this.#isValid(event).then(valid => {
        if (!valid) {
          this.#refuseAuth(event.id, REASONS.forged)
          return this.#countForgery()
        }
        this.#probation?.end()
        this.#probation = undefined
        this.#acceptedAuths += 1
        if (!this.keys.includes(event.pubkey)) this.keys = [...this.keys, event.pubkey]
        this.send(encode.ok(event.id, true, ''))
      }),
    )
  }

  #refuseAuth(id: string, why: string): void {
    this.send(encode.ok(id, false, why))
    this.#refusedAuths += 1
    if (this.#refusedAuths >= this.#host.limits.refusedAuths) this.end(CLOSE.policy, 'too many refused AUTHs')
  }

  async #depositWill(event: NostrEvent | null): Promise<void> {
    if (event === null) return this.#host.wills.drop(this)
    const refusal = this.#host.wills.refuse(event, this) ?? ((await this.#isValid(event)) ? undefined : REASONS.forged)
    if (refusal !== undefined) {
      this.send(encode.ok(event.id, false, refusal))
      return refusal === REASONS.forged ? this.#countForgery() : undefined
    }
    const kept = await this.#host.wills.deposit(event, this)
    // Lost while it was being stored: the will is that of a lost connection.
    if (this.#ended) this.#host.wills.onEnd(this, this.#clean)
    this.send(
      encode.ok(event.id, kept, kept ? REASONS.willHeld : reason('error', 'the will could not be stored; try again')),
    )
  }

  async #isValid(event: NostrEvent): Promise<boolean> {
    const [valid] = await this.#host.verifier.verify([event])
    return valid === true
  }

  #publish(event: NostrEvent): void {
    this.#unanswered += 1
    this.#regulate()
    this.#host.ingest.push(event, this, (accepted, message) => {
      this.#unanswered -= 1
      if (accepted && !this.#ended) this.#host.wills.onPublished(event, this)
      this.send(encode.ok(event.id, accepted, message))
      if (message === REASONS.forged) this.#countForgery()
      this.#regulate()
    })
  }

  #refuseFrame(error: FrameError, bytes: number): void {
    const overRate = this.#host.charge(this, bytes)
    this.#refuse(overRate === undefined ? error : { ...error, reason: overRate })
    this.#malformed += 1
    if (!this.unthrottled && this.#malformed >= this.#host.limits.malformedFrames)
      this.end(CLOSE.policy, 'too many frames that cannot be read')
  }

  /** Honest clients send none. Each costs us a signature check, the dearest thing that a stranger can ask for. */
  #countForgery(): void {
    this.#forgeries += 1
    // Also of a client that left before the verdicts came.
    if (this.#forgeries < this.#host.limits.invalidSignatures) return
    this.#host.penalize(this.#peer)
    this.end(CLOSE.policy, 'too many invalid signatures')
  }

  #refuse({ to, reason: message }: FrameError): void {
    if (to === undefined) return this.send(encode.notice(message))
    if ('neg' in to) return this.#reconciling.refuse(to.neg, message)
    if ('ok' in to) return this.send(encode.ok(to.ok, false, message))
    this.closeSubscription(to.closed, message)
  }

  #drop(follower: Follower): void {
    follower.close()
    this.#host.live.remove(follower)
  }

  onRoom(): void {
    for (const follower of this.#followers.values()) follower.resume()
  }

  onOverflow(): void {
    this.end(CLOSE.tryLater, 'too slow; resume from your cursor')
  }

  onTurn(): void {
    this.#regulate()
  }

  onStall(): void {
    for (const { sub } of this.#followers.values()) this.#socket.send(encode.closed(sub, REASONS.tooSlow))
    this.end(CLOSE.tryLater, 'no progress; resume from your cursor')
  }
}
