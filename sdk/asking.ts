import type { Asks } from './asks.ts'
import { json } from './body.ts'
import { AgentClosedError } from './errors.ts'
import type { IncomingMessage } from './mail/types.ts'
import type { Ask, AskOptions, Content, ScatterOptions, ScatterResult } from './messaging.ts'
import type { Sender, Under } from './sender.ts'
import { conforming, isTypedAct, receivedBody } from './typed-act.ts'

export const ASK_TIMEOUT_MS = 30_000

/** `ask` for an agent itself, or on behalf of a message a handler works on. */
export function createAsk(sender: Sender, asks: Asks, under?: Under): Ask {
  async function ask(to: string, body: Content, options: AskOptions): Promise<IncomingMessage> {
    const { timeout = ASK_TIMEOUT_MS, signal, act = 'request', ...how } = options
    signal?.throwIfAborted()
    const open = under && how.public === undefined && how.wrap === undefined ? { public: !under.mail.private } : {}
    const { mail, granted } = await sender.post(to, body, { ...open, ...how, act }, under)
    signal?.throwIfAborted()
    const answer = await asks.wait(mail.id, mail.to, timeout, signal)
    under?.account.settle(granted, answer.spent)
    return answer
  }

  async function askTyped(to: string, act: unknown, body: unknown, options: AskOptions) {
    if (!isTypedAct(act)) throw new TypeError('the second argument is no typed act; make one with act(…).')
    const { schema } = act
    await conforming(act.in, body, `what is sent as ${schema}`, true)
    const answer = await ask(to, json(body), { ...options, act: act.act, schema })
    return Object.freeze({ ...answer, body: await receivedBody(act.out, answer, `the answer to ${schema}`) })
  }

  return ((to: string, second: unknown, third?: unknown, fourth?: AskOptions) =>
    isTypedAct(second)
      ? askTyped(to, second, third, fourth ?? {})
      : ask(to, second, (third ?? {}) as AskOptions)) as Ask
}

/** Asks many at once, in one conversation. */
export async function scatter(
  sender: Sender,
  asks: Asks,
  { to, body, options }: { readonly to: readonly string[]; readonly body: Content; readonly options: ScatterOptions },
): Promise<ScatterResult> {
  const { timeout = ASK_TIMEOUT_MS, signal, act = 'request', enough, ...how } = options
  signal?.throwIfAborted()
  const mails = await sender.postAll(to, body, { ...how, act })
  const answers: IncomingMessage[] = []
  const failures: { to: string; id: string; error: Error }[] = []
  const silent = new Map(mails.map(mail => [mail.id, mail.to]))
  const wanted = Math.min(enough ?? mails.length, mails.length)
  const over = new AbortController()
  const ended = signal ? AbortSignal.any([signal, over.signal]) : over.signal

  await Promise.all(
    mails.map(async ({ id, to }) => {
      try {
        answers.push(await asks.wait(id, to, timeout, ended))
        silent.delete(id)
      } catch (error) {
        if (signal?.aborted || error instanceof AgentClosedError) throw error
        if (over.signal.aborted || isTimeout(error)) return
        silent.delete(id)
        failures.push({ to, id, error: error instanceof Error ? error : new Error(String(error)) })
      }
      if (answers.length >= wanted) over.abort()
    }),
  )
  return Object.freeze({
    conversation: mails[0]?.id ?? '',
    answers: Object.freeze(answers),
    failures: Object.freeze(failures),
    silent: Object.freeze([...silent].map(([id, recipient]) => ({ id, to: recipient }))),
  })
}

const isTimeout = (error: unknown): boolean => (error as { code?: unknown }).code === 'timeout'
