import { encodeEvent } from '../../protocol/event.ts'
import { parseFilter } from '../../protocol/filter.ts'
import { reason } from '../../protocol/reasons.ts'
import { WIRE_LIMITS } from '../../protocol/wire-limits.ts'
import type { Host } from '../api.ts'
import { RelayRefusedError, RelayUnreachableError } from '../errors.ts'
import type { Authenticate } from './authenticator.ts'
import type { RelayClient, Request } from './client.ts'
import { createFramePump } from './frame-pump.ts'
import { createLink, type Link } from './link.ts'
import { negotiateOn } from './negotiate.ts'

export interface ConnectOptions {
  readonly host?: Partial<Host>
  /** For the connection, each OK and each COUNT, ms; default 10,000. */
  readonly timeoutMs?: number
  /**
   * Signs the AUTH event (NIP-42), which names `url` as it was given. Asked only once the relay refuses something as
   * `auth-required`; that is then repeated once. Without it refusals stand, and the relay learns nobody's key.
   */
  readonly authenticate?: Authenticate
}

const TIMEOUT_MS = 10_000
const LOST = reason('error', 'the connection was lost')

/** Opens one connection. Rejects with {@link RelayUnreachableError}. */
export type Connect = (url: string, options?: ConnectOptions) => Promise<RelayClient>

/** `connect` on given surroundings, which a caller's `host` overrides one by one. */
export const createConnect =
  (defaults: Host): Connect =>
  (url, options = {}) =>
    connectOn({ ...defaults, ...options.host }, url, options)

function connectOn(host: Host, url: string, options: ConnectOptions): Promise<RelayClient> {
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS
  const requests = new Set<() => void>()
  return new Promise((resolve, reject) => {
    const cancel = host.timers.after(timeoutMs, () => link.drop(`no connection within ${timeoutMs} ms`, false))
    const link = createLink({
      ...host,
      url,
      reconnect: false,
      authenticate: options.authenticate,
      onOpen() {
        cancel()
        resolve(clientOn(link, host, timeoutMs, requests))
      },
      onDown(why) {
        cancel()
        reject(new RelayUnreachableError(url, why))
        for (const lose of [...requests]) lose()
      },
    })
  })
}

function clientOn(link: Link, host: Host, timeoutMs: number, requests: Set<() => void>): RelayClient {
  const { url } = link
  let closing = false
  const unreachable = (why: string) => new RelayUnreachableError(url, why)

  return {
    url,
    request(filters, handlers): Request {
      let invalid = 0
      const parsed = filters.flatMap(filter => {
        const result = parseFilter(filter, WIRE_LIMITS)
        return result.ok ? [result.value] : []
      })
      const end = () => {
        requests.delete(lose)
        pump.stop()
        cancel()
      }
      const lose = () => {
        end()
        if (!closing) handlers.onClosed?.(LOST)
      }
      const pump = createFramePump({
        verifier: host.verifier,
        // A condition we cannot read (another NIP's filter field) is the relay's to judge.
        wanted: parsed.length === filters.length ? parsed : undefined,
        onEvents(events) {
          for (const { event, seq, valid } of events) {
            if (valid) handlers.onEvent?.(event, seq)
            else invalid += 1
          }
        },
        onFrame(frame) {
          if (frame.type === 'EOSE') handlers.onEose?.(frame.hints)
          else if (frame.type === 'SEQ') handlers.onSeq?.(frame.seq, frame.epoch)
          else if (frame.type === 'CLOSED') {
            end()
            handlers.onClosed?.(frame.message)
          }
        },
        onOverflow: () => cancel(),
        onDrained() {
          end()
          handlers.onClosed?.(reason('error', 'the relay sends faster than events can be verified'))
        },
        onError(error) {
          end()
          handlers.onClosed?.(reason('error', `events could not be taken: ${String(error)}`))
        },
      })
      const cancel = link.subscribe('REQ', filters, frame => pump.push(frame))
      requests.add(lose)
      if (!link.isOpen) queueMicrotask(lose)
      return {
        close: end,
        get invalid() {
          return invalid
        },
      }
    },
    async publish(event) {
      const { accepted, ...told } = await link.publish(event, encodeEvent(event), timeoutMs)
      if (accepted === undefined) throw unreachable(told.message)
      return { accepted, ...told }
    },
    count(filters) {
      return new Promise((resolve, reject) => {
        if (!link.isOpen) throw unreachable('the connection was lost')
        const end = () => {
          stop()
          cancel()
          requests.delete(lose)
        }
        const lose = () => {
          end()
          reject(unreachable('the connection was lost'))
        }
        const cancel = host.timers.after(timeoutMs, () => {
          end()
          reject(unreachable(`no count within ${timeoutMs} ms`))
        })
        const stop = link.subscribe('COUNT', filters, frame => {
          end()
          if (frame.type === 'COUNT') resolve(frame.count)
          else reject(new RelayRefusedError(url, frame.type === 'CLOSED' ? frame.message : frame.type))
        })
        requests.add(lose)
      })
    },
    negotiate: filter => negotiateOn(link, filter, { timers: host.timers, timeoutMs, losing: requests }),
    get bytes() {
      return link.bytes
    },
    async close() {
      closing = true
      for (const lose of [...requests]) lose()
      await link.close()
    },
  }
}
