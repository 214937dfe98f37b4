import { AgentClosedError } from '../errors.ts'
import type { IncomingMessage } from '../mail/types.ts'
import type { Content, ScatterOptions, ScatterResult } from '../messaging.ts'
import { ASK_TIMEOUT_MS } from './asking.ts'
import type { Asks } from './asks.ts'
import type { Sender } from './sender.ts'

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
