import { type Clock, seconds } from '../../platform/clock.ts'
import { type EventTemplate, encodeEvent, type NostrEvent, type Tag } from '../../protocol/event.ts'
import { CHAT_MESSAGE } from '../../protocol/kinds.ts'
import { MessageError } from '../errors.ts'
import { andThen, type MaybePromise } from '../identity/signer.ts'
import type { SendOptions } from '../messaging.ts'
import { draftMessage, encodeMessage, type MessageDraft } from './message.ts'
import { draftReceipt, type ReceiptDraft } from './receipt.ts'
import { createSealer } from './seal.ts'
import type { OutgoingMail } from './store.ts'
import type { Envelope } from './types.ts'
import { rumorOf, type Wrapping, wrapRumor } from './wrap.ts'

export type WrapForm = 'agent' | 'chat'

export interface Composition extends MessageDraft {
  /** Hides the envelope too (NIP-59): as a message between agents, or as a NIP-17 chat message that any client reads. */
  readonly wrap?: WrapForm | undefined
  /** Also wraps it for the sender, for other clients of the same key. */
  readonly copy?: boolean | undefined
}

/** What a caller asked for, with the message it answers if that is known here. */
export function compositionOf(
  to: string,
  text: string,
  send: SendOptions,
  parent: { readonly id: string; readonly root?: string; readonly wrap?: WrapForm; readonly hop?: number } | undefined,
  clock: Clock,
): Composition {
  return {
    to,
    text,
    act: send.act ?? 'inform',
    public: send.public ?? false,
    parent: parent ?? (send.replyTo === undefined ? undefined : { id: send.replyTo }),
    contentType: send.contentType,
    expires: send.deadline === undefined ? undefined : seconds(clock) + Math.ceil(send.deadline),
    // An answer hides what its question hid.
    envelope: envelopeOf(send, parent),
    wrap: send.wrap === undefined ? parent?.wrap : send.wrap === true ? 'agent' : send.wrap || undefined,
    copy: send.copy,
    ephemeral: send.ephemeral,
  }
}

function envelopeOf(send: SendOptions, parent: { readonly hop?: number } | undefined): Envelope {
  const { priority, budget, idem, schema, traceparent } = send
  return {
    ...(parent?.hop ? { hop: parent.hop } : {}),
    ...(priority ? { priority } : {}),
    ...(budget ? { budget } : {}),
    ...(idem === undefined ? {} : { idem }),
    ...(schema === undefined ? {} : { schema }),
    ...(traceparent === undefined ? {} : { traceparent }),
  }
}

/** What a receipt says, and whether the message it is about came wrapped: then it is wrapped too. */
export interface ReceiptComposition extends ReceiptDraft {
  readonly wrapped: boolean
}

/** Makes a receipt: signed, encoded, ready to be stored. */
export type ComposeReceipt = (composition: ReceiptComposition) => MaybePromise<OutgoingMail>

export function createComposeReceipt(wrapping: Wrapping): ComposeReceipt {
  const { signer, clock } = wrapping
  const sealer = createSealer(signer)
  const mailOf = (to: string, event: NostrEvent): OutgoingMail => ({ id: event.id, to, event: encodeMessage(event) })

  return composition => {
    const { to, wrapped } = composition
    const draft = draftReceipt({ ...composition, private: composition.private && !wrapped }, seconds(clock), sealer)
    return andThen(draft, template =>
      wrapped
        ? wrapRumor(rumorOf(signer.pubkey, template), to, wrapping).then(({ event, seal }) => ({
            ...mailOf(to, event),
            seal: encodeEvent(seal),
          }))
        : andThen(signer.sign(template), event => mailOf(to, event)),
    )
  }
}

export interface Answering {
  /** The relays to name in a message, so that its recipient can answer; none where it can anyway. */
  answerAt?(to: string, act: string): readonly string[]
}

/** Makes what is sent: signed, encoded, ready to be stored. With a copy to oneself, that follows it. At once if the key is at hand and nothing is wrapped. */
export type Compose = (composition: Composition) => MaybePromise<readonly [OutgoingMail, ...OutgoingMail[]]>

export function createCompose(wrapping: Wrapping & Answering): Compose {
  const { signer, clock, answerAt } = wrapping
  const sealer = createSealer(signer)

  async function wrapped(
    composition: Composition,
    form: WrapForm,
  ): Promise<readonly [OutgoingMail, ...OutgoingMail[]]> {
    const { to, expires } = composition
    const now = seconds(clock)
    const template =
      form === 'chat' ? chat(composition, now) : await draftMessage({ ...composition, public: true }, now, sealer)
    const rumor = rumorOf(signer.pubkey, template)
    const deadline = keptOf(composition)
    const wrapFor = async (key: string) => {
      const { event, seal } = await wrapRumor(rumor, key, wrapping, { expires, ephemeral: composition.ephemeral })
      return { id: event.id, to: key, event: encodeMessage(event), seal: encodeEvent(seal) }
    }
    const mail = { ...(await wrapFor(to)), id: rumor.id, ...deadline }
    if (!composition.copy || to === signer.pubkey) return [mail]
    const mine = await wrapFor(signer.pubkey)
    return [mail, { ...mine, ...(expires === undefined ? {} : { expires }) }]
  }

  return given => {
    const composition = { ...given, relays: answerAt?.(given.to, given.act) }
    if (composition.wrap && composition.public)
      throw new MessageError('message-malformed', 'public and wrap exclude each other; choose one.')
    if (composition.ephemeral) checkEphemeral(composition)
    if (composition.wrap) return wrapped(composition, composition.wrap)
    const { to } = composition
    return andThen(andThen(draftMessage(composition, seconds(clock), sealer), signer.sign), event => [
      { id: event.id, to, event: encodeMessage(event), ...keptOf(composition) },
    ])
  }
}

function checkEphemeral({ wrap, copy, envelope }: Composition): void {
  const odd = wrap === 'chat' ? "wrap: 'chat'" : copy ? 'copy' : envelope?.idem === undefined ? undefined : 'idem'
  if (odd !== undefined)
    throw new MessageError('message-malformed', `ephemeral and ${odd} exclude each other: nothing of it is kept.`)
}

/** What the outbox keeps beside the event. */
const keptOf = ({ expires, envelope }: Composition): Pick<OutgoingMail, 'expires' | 'idem'> => ({
  ...(expires === undefined ? {} : { expires }),
  ...(envelope?.idem === undefined ? {} : { idem: envelope.idem }),
})

/** NIP-17 knows no acts and no content types: text and the message it answers. */
function chat({ to, text, parent }: Composition, created_at: number): EventTemplate {
  if (!text.isWellFormed())
    throw new MessageError('message-malformed', 'the text has a lone surrogate, which UTF-8 cannot carry.')
  const tags: Tag[] = [['p', to]]
  if (parent) tags.push(['e', parent.id, '', 'reply'])
  return { kind: CHAT_MESSAGE, created_at, tags, content: text }
}
