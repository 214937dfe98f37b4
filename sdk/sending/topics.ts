import { MessageError } from '../errors.ts'
import { checkTopic } from '../mail/envelope.ts'
import type { Handler, SubscribeOptions, Topic } from '../messaging.ts'
import type { Handlers, Subscription } from '../work/handlers.ts'
import type { Worker } from '../work/worker.ts'
import type { Sender } from './sender.ts'

/** Each is a subscription on every relay, which allow 32 a connection. */
export const MAX_SUBSCRIPTIONS = 16

export interface TopicsOptions {
  readonly sender: Sender
  readonly handlers: Handlers
  readonly worker: Worker
  follow(topic: string, replay: boolean): void
}

/** Publishing and subscribing. */
export interface Topics {
  /** Throws MessageError if the name is no topic. */
  topic(name: string): Topic
  subscribe(topic: string, handler: Handler, options?: SubscribeOptions): void
  /** What is subscribed to. */
  prefixes(): readonly string[]
}

export function createTopics({ sender, handlers, worker, follow }: TopicsOptions): Topics {
  const subscriptions: Subscription[] = []

  return {
    topic(name) {
      checkTopic(name)
      return Object.freeze({
        name,
        async publish(body: unknown, { members, ...send }: Parameters<Topic['publish']>[1] = {}) {
          const mails = await sender.publish(name, body, send, members)
          return mails.map(({ id }) => id)
        },
      })
    },
    subscribe(topic, handler, { replay = false, ...handle } = {}) {
      checkTopic(topic)
      if (subscriptions.some(({ prefix }) => prefix === topic))
        throw new TypeError(`there is already a handler for the topic ${JSON.stringify(topic)}.`)
      if (subscriptions.length >= MAX_SUBSCRIPTIONS)
        throw new MessageError(
          'message-malformed',
          `an agent subscribes to at most ${MAX_SUBSCRIPTIONS} topics; subscribe to a level above.`,
        )
      subscriptions.push({ prefix: topic, handler })
      if (subscriptions.length === 1) worker.handle(handlers.forTopics(subscriptions), handle)
      follow(topic, replay)
      worker.wake()
    },
    prefixes: () => subscriptions.map(({ prefix }) => prefix),
  }
}
