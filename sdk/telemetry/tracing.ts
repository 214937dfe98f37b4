import type { Ask, AskOptions, SendOptions } from '../messaging.ts'
import type { Sender, Under } from '../sending/sender.ts'
import { isTypedAct } from '../typed-act.ts'
import type { Telemetry } from './telemetry.ts'

/** What caused a message: what its sender says, or the message it is sent on behalf of. Undefined: what is active here. */
const causeOf = (send: SendOptions, under: Under | undefined): string | undefined =>
  send.traceparent ?? under?.traceparent ?? under?.mail.traceparent

const carrying = <Options extends SendOptions>(send: Options, traceparent: string | undefined): Options =>
  traceparent === undefined ? send : { ...send, traceparent }

/** A sender whose messages carry their trace context on, in a span each. */
export function tracedSender(sender: Sender, telemetry: Telemetry): Sender {
  const spanOf = (act: string | undefined, peer: string, parent: string | undefined) =>
    ({ name: 'send', act: act ?? 'inform', peer, parent }) as const

  return {
    post: (to, body, send, under, conversation) =>
      telemetry.span(spanOf(send.act, to, causeOf(send, under)), async span => {
        const posted = await sender.post(to, body, carrying(send, span.traceparent), under, conversation)
        span.identify(posted.mail.id)
        return posted
      }),
    postAll: (to, body, send) =>
      telemetry.span(spanOf(send.act, to.join(' '), send.traceparent), span =>
        sender.postAll(to, body, carrying(send, span.traceparent)),
      ),
    publish: (topic, body, send, members) =>
      telemetry.span(spanOf('publish', topic, send.traceparent), span =>
        sender.publish(topic, body, carrying(send, span.traceparent), members),
      ),
    reply: (mail, result, spent) =>
      telemetry.span(spanOf(result.act, mail.from, mail.traceparent), span =>
        sender.reply(span.traceparent === undefined ? mail : { ...mail, traceparent: span.traceparent }, result, spent),
      ),
  }
}

/** An `ask` in a span from question to answer. */
export const tracedAsk = (ask: Ask, telemetry: Telemetry, under?: Under): Ask =>
  ((to: string, second: unknown, third?: unknown, fourth?: AskOptions) => {
    const options: AskOptions = fourth ?? (isTypedAct(second) ? {} : ((third ?? {}) as AskOptions))
    const act = isTypedAct(second) ? second.act : (options.act ?? 'request')
    return telemetry.span({ name: 'ask', act, peer: to, parent: causeOf(options, under) }, span => {
      const carried = carrying(options, span.traceparent)
      return isTypedAct(second) ? ask(to, second as never, third as never, carried) : ask(to, second, carried)
    })
  }) as Ask
