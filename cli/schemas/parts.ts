import {
  amount,
  anything,
  count,
  either,
  flag,
  hex16,
  hex64,
  list,
  mapOf,
  npub,
  object,
  orNull,
  text,
  time,
  words,
} from './build.ts'

/** What several outputs have in common. */

export const profile = { name: text, npub, nprofile: text, pubkey: hex64, relays: list(text), home: text }

export const message = {
  required: {
    id: hex64,
    from: hex64,
    npub,
    known: flag,
    act: text,
    text,
    private: flag,
    at: time,
    read: flag,
    state: words('new', 'working', 'done', 'failed', 'set-aside', 'dropped'),
    attempts: count,
    relay: text,
  },
  optional: {
    fromName: text,
    contentType: text,
    wrap: words('agent', 'chat'),
    deadline: time,
    root: hex64,
    replyTo: hex64,
    error: text,
    seq: count,
  },
}

export const deliveryState = words(
  'queued',
  'stored',
  'refused',
  'expired',
  'undeliverable',
  'sent',
  'unheard',
  'received',
  'working',
  'done',
  'failed',
  'rejected',
)

/** Why the relay that stored a message was given it. */
export const route = words('inbox-relays', 'local-profile', 'hint', 'own-relays')

/** What is known of a message that was sent, besides its state. `waiting`: the relays that lack it, while it is queued; `left`: those that have it, though its recipient is known to read at others. */
export const delivery = {
  relay: text,
  seq: count,
  route,
  reason: text,
  at: time,
  waiting: list(object({ relay: text }, { reason: text, refused: flag })),
  left: list(text),
}

export const standing = words('contact', 'machine', 'allowed', 'denied', 'stranger')

const session = {
  session: text,
  state: words('online', 'suspect', 'asleep', 'offline', 'unknown'),
  heard: flag,
}
const said = {
  activity: text,
  mood: text,
  energy: { type: 'number', minimum: -1, maximum: 1 },
  attention: { type: 'number', minimum: -1, maximum: 1 },
  acceptsWork: flag,
  wakesAt: time,
}
export const status = said
export const presence = {
  required: { npub, pubkey: hex64, ...session, sessions: list(object(session, { ...said, at: time })) },
  optional: { contact: text, ...said, at: time },
}

export const card = object(
  {
    name: text,
    description: text,
    version: text,
    supportedInterfaces: list(object({ url: text, protocolBinding: text, protocolVersion: text }, { tenant: text })),
    capabilities: mapOf(anything),
    defaultInputModes: list(text),
    defaultOutputModes: list(text),
    skills: list(
      object(
        { id: text, name: text, description: text, tags: list(text) },
        { examples: list(text), inputModes: list(text), outputModes: list(text) },
      ),
    ),
  },
  { provider: object({ organization: text, url: text }), documentationUrl: text, iconUrl: text },
)

export const event = object({
  id: hex64,
  pubkey: hex64,
  created_at: count,
  kind: count,
  tags: list(list(text)),
  content: text,
  sig: { type: 'string', pattern: '^[0-9a-f]{128}$' },
})

const sync = {
  status: words('live', 'catching-up', 'offline'),
  received: count,
  new: count,
  bytes: count,
  invalid: count,
  gaps: count,
  unreadable: count,
  mayMiss: flag,
}
export const summary = {
  ...sync,
  complete: flag,
  ms: amount,
  unreached: count,
  relays: list(object({ relay: text, ...sync }, { partial: text, suspect: flag, error: text })),
}

export const relayStatus = either(
  object({ url: text, state: { const: 'not-asked' } }),
  object(
    { url: text, state: words('live', 'catching-up', 'offline'), mayMiss: flag },
    {
      received: count,
      expected: count,
      perSecond: amount,
      position: count,
      partial: text,
      suspect: flag,
      error: text,
      clock: text,
    },
  ),
)

/** What a verb judges of a profile; `synced` is null where no relay was asked from here. */
export const health = {
  synced: orNull(flag),
  published: flag,
  allWell: flag,
  undelivered: count,
  failed: count,
  records: list(
    object(
      { kind: words('state', 'private', 'board', 'document', 'card'), unwritten: count, unsent: count },
      { id: text, error: text },
    ),
  ),
  problems: list(
    object({ code: text, level: words('warn', 'fail'), what: text, do: text }, { about: text, reason: text }),
  ),
}

export const hints = object(
  {},
  { complete: words('finish', 'more'), seq: count, epoch: hex16, scope: text, floor: count, withheld: flag },
)
