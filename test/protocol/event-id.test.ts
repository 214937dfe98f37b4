import { type EventTemplate, eventId, hasValidId, type NostrEvent } from 'posthorn/protocol'
import { describe, expect, test } from 'vitest'

// Ids computed outside this code base (Python's json and hashlib): `json` over real JSON, `verbatim` over a byte-verbatim
// reading of NIP-01, which escapes its seven characters only. They differ only where other control characters occur.
const PUBKEY = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
const VECTORS: { name: string; content: string; tags: string[][]; json: string; verbatim?: string }[] = [
  {
    name: 'plain',
    content: 'hello',
    tags: [],
    json: 'bde202ea7642ff9910600c7edc948a1f4220f0cbf5e4fb2b7efafa681bbb5285',
  },
  {
    name: 'seven escapes',
    content: '\n"\\\r\t\b\f',
    tags: [],
    json: '8fcab504c2ec3b7b990fef6554fbb3b2f3bf3adb5403da423006191c39935545',
  },
  {
    name: 'nul',
    content: 'a\u0000b',
    tags: [],
    json: '67ecc6dfdc939da6a668e8acb2ee1bf1b849587ce91bf32fc11828e2d86445f7',
    verbatim: 'aeb6ea8bd20aabab166068ba473d6714de3ad21ea8c336272a64fbc3eb7660bd',
  },
  {
    name: 'other controls',
    content:
      '\u0000\u0001\u0002\u0003\u0004\u0005\u0006\u0007\b\t\n\u000b\f\r\u000e\u000f\u0010\u0011\u0012\u0013\u0014\u0015\u0016\u0017\u0018\u0019\u001a\u001b\u001c\u001d\u001e\u001f',
    tags: [],
    json: 'd295475e4fc2b49765adcb57c4cb0147270ff233984f6cd850ed0c57ffef55e1',
    verbatim: 'e1538fdeb0a1f14ea47b7d4e897236945c7ef58667007bcb5b531fbcda094f0b',
  },
  {
    name: 'DEL and C1, never escaped',
    content: '\u007f\u0080\u009f',
    tags: [],
    json: 'aed017235d10febb9eea13ec12575e2859926f5f8179b60869e4602510fa7322',
  },
  {
    name: 'backslash before u0001 text',
    content: '\\u0001',
    tags: [],
    json: '0dba39bb58107f8247b74c678867fcdf31b227200a1396b0a75f729de3dedc5d',
  },
  {
    name: 'backslash then a real control',
    content: '\\\u0001',
    tags: [],
    json: 'a45f6e419b69fdb3d0cee6f178bba6ced2e8f07c0ad61c992037d43dcd8e1152',
    verbatim: '003d587894a656baade528b968b0980b6c963436d6a53780837458f8e11b25ca',
  },
  {
    name: 'line separators, never escaped',
    content: '\u2028\u2029',
    tags: [],
    json: 'f09002241be887682ac38aad2f4b7b76e10efd72fe39ddcba75d5dd21d807ec5',
  },
  {
    name: 'noncharacters',
    content: '\ufffe\uffff\udbff\udfff',
    tags: [],
    json: '4f68f0cdd2e0cae8a77e11b3866ae180dc492e0166139a8f5e46f150cfcfd5a8',
  },
  {
    name: 'astral',
    content: '\ud83d\udcef \ud800\udc00',
    tags: [],
    json: 'c35edf6596950239935e83921779f8f675a28d13ad4cfd1933b74c49e2f581b1',
  },
  {
    name: 'solidus and angle brackets, never escaped',
    content: "</script>&'",
    tags: [],
    json: '89ce23c79534a0119d8e4a99204c68310bee8dbe33f66e8960e3a480d9d68d1a',
  },
  {
    name: 'combining, not normalised',
    content: 'e\u0301 \u00e9',
    tags: [],
    json: 'e6950d75bb4228e584d580e2402b4cd6d29636c32340ad4e1393d4f1f8da82fe',
  },
  {
    name: 'BOM',
    content: '\ufeffx',
    tags: [],
    json: '7a3efa53495f0e7120b50d8d74bfad7c4ca3a0324b50e1031389d94ab9de5e9e',
  },
  {
    name: 'controls in tags',
    content: '',
    tags: [['t', '\u001f'], ['\u0002']],
    json: '3dd6ca98405cc02ff6fccc9d5e6ff7d90b7eab67d7a49c9445d1ef9424742872',
    verbatim: '397ec082c6b999f14cd0c5a4982c4799cdb85c06548f338f4aef7a6458a202c5',
  },
  {
    name: 'empty tag value',
    content: '',
    tags: [['t', ''], ['']],
    json: '364c454386680f3c645c0eb2363f30d36823f29e84d26a5f2efd0ab3e5a0a97d',
  },
]

const template = (vector: (typeof VECTORS)[number]): EventTemplate => ({
  kind: 1,
  created_at: 1_700_000_000,
  tags: vector.tags,
  content: vector.content,
})
const withId = (vector: (typeof VECTORS)[number], id: string): NostrEvent => ({
  ...template(vector),
  pubkey: PUBKEY,
  id,
  sig: '0'.repeat(128),
})

describe('event ids over awkward text', () => {
  test.each(VECTORS)('$name: the id we make is the one over real JSON', vector => {
    expect(eventId(PUBKEY, template(vector))).toBe(vector.json)
  })

  test.each(VECTORS)('$name: accepted under both readings, and under nothing else', vector => {
    expect(hasValidId(withId(vector, vector.json))).toBe(true)
    if (vector.verbatim !== undefined) expect(hasValidId(withId(vector, vector.verbatim))).toBe(true)
    expect(
      hasValidId(
        withId(
          vector,
          vector.json.replace(/^./, c => (c === '0' ? '1' : '0')),
        ),
      ),
    ).toBe(false)
  })

  test('an id fits one event only: the id of another vector never holds', () => {
    for (const a of VECTORS)
      for (const b of VECTORS) {
        if (a === b) continue
        expect(hasValidId(withId(a, b.json))).toBe(false)
        if (b.verbatim !== undefined) expect(hasValidId(withId(a, b.verbatim))).toBe(false)
      }
  })

  test('a backslash that belongs to the text is not read as the beginning of an escape', () => {
    const vector = VECTORS.find(({ content }) => content === '\\u0001')
    if (vector === undefined) throw new Error('no such vector')
    // Over the text with its own backslash taken for an escape: two contents would share an id.
    expect(hasValidId(withId(vector, 'fd1f75c1c390e4acaa83f89f2d6c815aeaa088edee7998aeebff5a48e3adbcc2'))).toBe(false)
  })

  test('every field counts', () => {
    const [vector] = VECTORS
    if (vector === undefined) throw new Error('no vectors')
    const event = withId(vector, vector.json)
    expect(hasValidId({ ...event, created_at: event.created_at + 1 })).toBe(false)
    expect(hasValidId({ ...event, kind: 2 })).toBe(false)
    expect(hasValidId({ ...event, tags: [['t', '']] })).toBe(false)
    expect(hasValidId({ ...event, content: `${event.content} ` })).toBe(false)
    expect(hasValidId({ ...event, pubkey: event.pubkey.replace('7', '8') })).toBe(false)
    expect(hasValidId({ ...event, sig: 'f'.repeat(128) })).toBe(true)
  })
})
