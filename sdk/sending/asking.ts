import { json } from '../body.ts'
import type { IncomingMessage } from '../mail/types.ts'
import type { Ask, AskOptions, Content } from '../messaging.ts'
import { conforming, isTypedAct, receivedBody } from '../typed-act.ts'
import type { Asks } from './asks.ts'
import type { Sender, Under } from './sender.ts'

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
