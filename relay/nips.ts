/** What must be true of a relay before it names a NIP in its NIP-11 document. */
export type NipCondition = 'always' | 'search' | 'auth' | 'owners' | 'pow' | 'members' | 'eose-hints'

export interface ServedNip {
  readonly nip: number
  readonly when: NipCondition
}

/**
 * The NIPs that this relay serves. `supported_nips`, the lists in README.md and docs/protocol.md and the files in test/conformance are
 * held to this table by test/conformance/docs.test.ts.
 */
export const NIPS: readonly ServedNip[] = [
  { nip: 1, when: 'always' },
  { nip: 9, when: 'always' },
  { nip: 11, when: 'always' },
  { nip: 13, when: 'pow' },
  // Gift wraps are served to the keys they name, so a relay without AUTH serves them to no client.
  { nip: 17, when: 'auth' },
  { nip: 40, when: 'always' },
  { nip: 42, when: 'auth' },
  { nip: 43, when: 'members' },
  { nip: 45, when: 'always' },
  { nip: 50, when: 'search' },
  { nip: 59, when: 'auth' },
  { nip: 62, when: 'always' },
  { nip: 65, when: 'always' },
  // Clients that have shown that they read hints get them in any case; NIP-67 means that all do.
  { nip: 67, when: 'eose-hints' },
  { nip: 70, when: 'auth' },
  { nip: 77, when: 'always' },
  { nip: 86, when: 'owners' },
  { nip: 98, when: 'auth' },
]

/** The numbers for `supported_nips`, in ascending order. */
export const nipsServed = (holds: Readonly<Record<NipCondition, boolean>>): number[] =>
  NIPS.filter(({ when }) => holds[when]).map(({ nip }) => nip)
