import { ROLES } from '../../sdk/doc/members/roles.ts'
import type { VerbName } from '../verbs/index.ts'
import {
  amount,
  anything,
  count,
  either,
  flag,
  hex16,
  hex64,
  line,
  list,
  mapOf,
  npub,
  object,
  orNull,
  type Schema,
  text,
  time,
  words,
} from './build.ts'
import {
  card,
  delivery,
  deliveryState,
  event,
  health,
  hints,
  message,
  presence,
  profile,
  relayStatus,
  route,
  standing,
  status,
  summary,
} from './parts.ts'

const contact = line({ npub, pubkey: hex64, standing }, { name: text })
const invite = { id: text, uses: count, expires: time }
const latency = object({ p50: orNull(amount), p99: orNull(amount) })

/** All keys of a state, by what they are. */
const content = line({
  values: mapOf(anything),
  counters: mapOf(anything),
  sets: mapOf(anything),
  gauges: mapOf(anything),
})
const role = words(...ROLES)
const change = line({ values: mapOf(anything), published: orNull(flag) })

/** What each line of a verb's stdout is with `--json`. Part of the interface: fields are added, and change only with `v`. */
export const OUTPUTS: Readonly<Partial<Record<VerbName, Schema>>> = {
  demo: line(
    { ok: flag, claims: list(object({ name: text, ok: flag, text }, { saw: text })), ms: count },
    { wake: object({ events: count, bytes: count, ms: count, totalMs: count }) },
  ),
  init: line({ created: flag, ...profile }, { encrypted: flag, discovery: list(text) }),
  'key passphrase': line({ encrypted: flag, changed: flag }),
  whoami: line(profile, { discovery: list(text) }),
  status: line(
    {
      name: text,
      running: flag,
      relays: list(relayStatus),
      queue: count,
      unread: count,
      unknownSenders: count,
      deadLetters: count,
      ...health,
      wake: object(
        { state: words('none', 'unverified', 'verified') },
        { host: text, noticedAt: count, verifiedAt: count, unheard: flag },
      ),
    },
    { discovery: list(object({ url: text }, { error: text })) },
  ),
  doctor: line({
    ok: flag,
    allWell: flag,
    findings: list(
      object({ check: text, level: words('ok', 'warn', 'fail'), what: text }, { code: text, about: text, do: text }),
    ),
  }),
  send: line(
    { queued: flag, id: hex64, state: deliveryState },
    { ...delivery, reply: orNull(object(message.required, message.optional)) },
  ),
  inbox: either(line(message.required, message.optional), line({ health: object(health) })),
  read: line(message.required, message.optional),
  mark: line({
    id: hex64,
    marked: words('working', 'done', 'failed', 'rejected'),
    receipt: orNull(hex64),
    queued: flag,
  }),
  receipts: line(
    {
      id: hex64,
      to: hex64,
      npub,
      state: deliveryState,
      receipts: list(
        object(
          { id: hex64, state: words('received', 'working', 'done', 'failed', 'rejected'), at: time, private: flag },
          { text },
        ),
      ),
      relays: list(
        object(
          { relay: text, state: words('waiting', 'stored', 'refused') },
          { seq: count, reason: text, fallback: flag },
        ),
      ),
    },
    { toName: text, reason: text, route },
  ),
  catchup: either(
    line({ running: { const: true }, unread: count, queue: count, ...health }),
    line({ running: { const: false }, ...summary, wentOut: count, unread: count, queue: count, ...health }),
  ),
  watch: line(
    {
      id: hex64,
      from: hex64,
      act: text,
      outcome: words('done', 'rejected', 'again', 'failed'),
      attempt: count,
      ms: count,
    },
    { fromName: text, reason: text },
  ),
  'contact add': line({ npub, pubkey: hex64, standing }, { name: text, renamedFrom: text }),
  'contact allow': contact,
  'contact deny': contact,
  'contact remove': contact,
  'contact list': contact,
  'invite create': line({ invite: text, ...invite }),
  'invite accept': line(
    {
      contact: object({ name: text, npub, pubkey: hex64 }),
      relays: list(text),
      queued: flag,
      id: hex64,
      state: deliveryState,
    },
    delivery,
  ),
  'invite list': line({ ...invite, state: text, usedBy: list(hex64) }, { note: text, created: time }),
  'invite revoke': line({ id: text, state: { const: 'revoked' } }),
  agents: line(
    { npub, pubkey: hex64, at: time, card, presence: orNull(object(presence.required, presence.optional)) },
    { contact: text },
  ),
  'card show': line({ npub, pubkey: hex64, card }, { at: time }),
  'card set': line({ npub, pubkey: hex64, published: orNull(flag), card }),
  'card publish': line({ npub, pubkey: hex64, published: orNull(flag), card }),
  'presence show': line(presence.required, presence.optional),
  'presence watch': line(presence.required, presence.optional),
  'presence set': line({ running: flag, presence: object({}, status) }, { state: words('asleep', 'offline') }),
  'state get': either(line({ key: text, value: anything }), content),
  'state set': change,
  'state del': change,
  'state watch': either(line({ key: text, value: anything }), content),
  'doc show': line({ document: text, content: mapOf(anything) }),
  'doc members': line({ pubkey: hex64, role }),
  'doc history': line({ id: hex64, author: hex64, session: hex16, n: count, at: time, bytes: count }),
  'doc create': line({ document: text, id: text, created: flag, public: flag }),
  'doc invite': line({ document: text, npub, pubkey: hex64, role: orNull(role), generation: count }),
  'doc remove': line({ document: text, npub, pubkey: hex64, role: orNull(role), generation: count }),
  'doc compact': line({ document: text, before: count, bytes: count, generation: count }),
  mcp: line({ listening: text }),
  wake: line({ notice: text }),
  install: line({
    host: text,
    scope: words('user', 'project'),
    uninstall: flag,
    files: list(object({ path: text, change: text })),
    written: flag,
  }),
  relay: line({ listening: text, data: text, verifier: mapOf(anything) }),
  'relay top': line(
    {
      relay: text,
      at: time,
      answerMs: amount,
      uptimeS: count,
      connections: count,
      subscriptions: count,
      head: object({ epoch: hex16, last: count }),
      agents: object({ awake: count, asleep: count }),
    },
    {
      logRate: amount,
      published: amount,
      delivered: amount,
      opened: amount,
      commit: latency,
      verify: latency,
      query: latency,
      slowReaders: count,
      wills: count,
    },
  ),
  'relay config': either(line({ example: text }), line({ settings: mapOf(object({ value: anything, origin: text })) })),
  'relay check': line({
    ok: flag,
    events: count,
    removals: count,
    last: count,
    damaged: list(anything),
    problems: list(text),
  }),
  'relay prune': line({ events: count, removals: count, dryRun: flag }),
  'relay backup': line({ file: text, events: count, removals: count, last: count, bytes: count }),
  'relay restore': line({ data: text, events: count, removals: count, last: count }, { before: text }),
  req: either(line({ event }, { seq: count }), line({ eose: hints })),
  publish: line({ id: hex64, accepted: flag, message: text }, { seq: count }),
  count: line({ count }),
  sync: either(
    line(
      {
        from: text,
        to: text,
        needed: count,
        sent: count,
        duplicates: count,
        refused: count,
        invalid: count,
        unserved: count,
      },
      { had: count },
    ),
    line({ by: text, bytes: count }, { partial: list(object({ url: text, reason: text })) }),
  ),
  help: either(
    line({ verbs: mapOf(anything) }),
    line(
      {
        verb: text,
        summary: text,
        operands: text,
        arity: list(count),
        options: mapOf(anything),
        examples: list(anything),
      },
      { are: list(anything), exits: mapOf(text), notes: list(text), output: mapOf(anything) },
    ),
  ),
  completion: either(
    line({ shell: words('bash', 'zsh', 'fish'), script: text }),
    line({ words: list(object({ word: text, help: text })) }),
  ),
}

/** An error, on stderr: the same for every verb. */
export const ERROR: Schema = line({ error: object({ code: text, message: text }, { hint: text }) })
