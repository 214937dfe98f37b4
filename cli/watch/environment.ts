import { type InboxEntry, npubOf } from '../../sdk/index.ts'

/** What a command is told of a message beside its body. Values are data; of what others wrote no control character stays. */
export function messageEnvironment(
  message: Omit<InboxEntry, 'read' | 'state' | 'text' | 'error' | 'arrival'>,
  home: string,
): Readonly<Record<string, string>> {
  const values: Readonly<Record<string, string | number | boolean | undefined>> = {
    ID: message.id,
    FROM: message.from,
    NPUB: npubOf(message.from),
    NAME: message.fromName,
    ACT: message.act,
    CONTENT_TYPE: message.contentType,
    ROOT: message.root,
    REPLY_TO: message.replyTo,
    AT: message.at,
    DEADLINE: message.deadline,
    RELAY: message.relay,
    SEQ: message.seq,
    ATTEMPT: message.attempts,
    PRIVATE: message.private ? 1 : 0,
    HOME: home,
  }
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[`POSTHORN_${name}`, plain(String(value))]],
    ),
  )
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
const plain = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
