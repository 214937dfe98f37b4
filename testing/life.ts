import type { Dial, SocketEvents } from '../platform/socket.ts'
import type { Cancel, Timers } from '../platform/timers.ts'
import type { LocalSigner } from '../sdk/identity/local-signer.ts'
import { createMemoryMailStore, type MailStore } from '../sdk/index.ts'
import { type StateStore, tableStateStore } from '../sdk/state/store.ts'
import type { Table } from '../sdk/tables.ts'
import type { Pipe } from './pipe.ts'

/** What changes the mail; everything else reads it. */
const WRITES = [
  'record',
  'markRead',
  'beginWork',
  'endWork',
  'reopenWork',
  'acknowledge',
  'judge',
  'release',
  'retry',
  'dismiss',
  'enqueue',
  'address',
  'settle',
  'prune',
  'redate',
  'requeue',
  'forget',
  'carryOver',
  'keepRelayNote',
] as const satisfies readonly (keyof MailStore)[]
type Write = (typeof WRITES)[number]

/** The moment at which an agent dies. */
export interface CrashPoint {
  /** `write`: any change of its mail, or one of them by its name. `keep`: a change of its state. `sign`: a signature. `send`, `hear`: a frame to, or from, a relay. */
  readonly at: 'write' | Write | 'keep' | 'sign' | 'send' | 'hear'
  /** Which of them from now on, from 1; default the next. */
  readonly nth?: number
  /** It still happens; default false. A frame sent then reaches the relay, and the answer finds nobody. */
  readonly after?: boolean
}

/** One run of an agent, from its start to its death: everything that it does passes through here, and nothing does afterwards. */
export interface Life {
  readonly isAlive: boolean
  /** Drops its connections to one relay, or to all. */
  cut(relay?: string): void
  /** At once, or at the next point of that kind. */
  end(point?: CrashPoint): void
  timers(timers: Timers): Timers
  signer(signer: LocalSigner): LocalSigner
  store(store: MailStore): MailStore
  state(state: StateStore): StateStore
  /** `connect` opens a pipe to a relay, and calls `onEnd` once it is closed. */
  dial(connect: (url: string, events: SocketEvents, onEnd: () => void) => Pipe): Dial
}

export function createLife(onEnd: () => void): Life {
  /** Open connections and the relay of each. */
  const pipes = new Map<Pipe, string>()
  /** What waits holds everything of this run: it goes when the run does. */
  const pending = new Set<Cancel>()
  let isAlive = true
  let point: CrashPoint | undefined
  let passed = 0

  function cut(relay?: string): void {
    for (const [pipe, url] of [...pipes]) if (relay === undefined || relay === url) pipe.cut()
  }

  function forget(): void {
    for (const cancel of pending) cancel()
    pending.clear()
  }

  function die(): void {
    if (!isAlive) return
    isAlive = false
    forget()
    onEnd()
    // A frame that was sent before is delivered in the next microtask.
    queueMicrotask(() => queueMicrotask(cut))
  }

  /** `otherwise`: what the dead do. */
  function pass<T>(at: CrashPoint['at'], act: () => T, otherwise: () => T): T {
    if (!isAlive) return otherwise()
    if (point === undefined || (point.at !== at && !(point.at === 'write' && isWrite(at)))) return act()
    passed += 1
    if (passed < (point.nth ?? 1)) return act()
    if (point.after) {
      const value = act()
      die()
      return value
    }
    die()
    return otherwise()
  }

  return {
    get isAlive() {
      return isAlive
    },
    cut,
    end(at) {
      if (at === undefined) {
        isAlive = false
        forget()
        cut()
        onEnd()
      } else {
        point = at
        passed = 0
      }
    },
    timers: timers => ({
      after(ms, run, how) {
        const fire = () => {
          pending.delete(cancel)
          if (isAlive) run()
        }
        const cancel = timers.after(ms, fire, how)
        pending.add(cancel)
        return () => {
          pending.delete(cancel)
          cancel()
        }
      },
    }),
    signer: signer => ({
      ...signer,
      sign: template =>
        pass(
          'sign',
          () => signer.sign(template),
          () => signer.sign(template),
        ),
    }),
    store(store) {
      // What it still does after its death happens to an empty store that nobody ever reads.
      let empty: MailStore | undefined
      const afterlife = () => {
        empty ??= createMemoryMailStore()
        return empty
      }
      const writes = new Map<string, unknown>()
      return new Proxy(store, {
        get(_target, name) {
          if (!isWrite(name)) return memberOf(isAlive ? store : afterlife(), name)
          const known = writes.get(name)
          if (known) return known
          const write = (...args: readonly unknown[]) =>
            pass(
              name,
              () => call(memberOf(store, name), args),
              () => call(memberOf(afterlife(), name), args),
            )
          writes.set(name, write)
          return write
        },
      })
    },
    state(state) {
      const opened = tableStateStore(open)
      function open<Row extends object>(name: string): Table<Row> {
        const real = state.open<Row>(name)
        const table: Table<Row> = new Map(real)
        const { set, delete: drop } = table
        table.set = (key, row) => {
          if (isAlive) real.set(key, row)
          return set.call(table, key, row)
        }
        table.delete = key => {
          if (isAlive) real.delete(key)
          return drop.call(table, key)
        }
        return table
      }
      return {
        ...opened,
        transaction: run =>
          pass(
            'keep',
            () => state.transaction(run),
            // It goes on in the tables of a dead process.
            () => run(),
          ),
      }
    },
    dial: connect => (url, events) => {
      const pipe = connect(url, heard(events), () => pipes.delete(pipe))
      pipes.set(pipe, url)
      const { client } = pipe
      return {
        close: (code, reason) => client.close(code, reason),
        terminate: () => client.terminate(),
        send: text =>
          pass(
            'send',
            () => client.send(text),
            () => {},
          ),
        get unsentBytes() {
          return client.unsentBytes
        },
      }
    },
  }

  function heard(events: SocketEvents): SocketEvents {
    return {
      onOpen: () => isAlive && events.onOpen?.(),
      onText: text =>
        pass(
          'hear',
          () => events.onText(text),
          () => {},
        ),
      onClose: (code, reason) => isAlive && events.onClose(code, reason),
    }
  }
}

const WRITE_NAMES: ReadonlySet<unknown> = new Set(WRITES)
const isWrite = (name: unknown): name is Write => WRITE_NAMES.has(name)

function memberOf(store: MailStore, name: string | symbol): unknown {
  const member: unknown = Reflect.get(store, name, store)
  return typeof member === 'function' ? member.bind(store) : member
}

const call = (method: unknown, args: readonly unknown[]): unknown =>
  (method as (...args: readonly unknown[]) => unknown)(...args)
