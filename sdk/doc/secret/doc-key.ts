import { sha256 } from '@noble/hashes/sha2.js'
import type { Random } from '../../../platform/random.ts'
import { bytesToHex, hexToBytes, isHex64 } from '../../../protocol/hex.ts'
import type { Signer } from '../../identity/signer.ts'
import type { Control } from '../members/control.ts'

const DOMAIN = new TextEncoder().encode('posthorn-doc-key')

/** What members of one generation share; 32 bytes. */
export type DocKey = Uint8Array

export const makeDocKey = (random: Random): DocKey => random.bytes(32)

/** What the control event says of the key, so that there is one key under which anything of the generation can be opened. */
export const commitmentOf = (key: DocKey): string => bytesToHex(sha256(Uint8Array.of(...DOMAIN, ...key)))

export const wrapDocKey = async (key: DocKey, signer: Signer, member: string): Promise<string> =>
  signer.encrypt(bytesToHex(key), member)

/** The generation's key out of one of its control events; undefined if it has none for us, or another than it committed to. */
export async function unwrapDocKey(control: Control, signer: Signer): Promise<DocKey | undefined> {
  const wrap = control.members.find(({ pubkey }) => pubkey === signer.pubkey)?.wrap
  if (wrap === undefined || control.commitment === undefined) return undefined
  try {
    const text = await signer.decrypt(wrap, control.author)
    const key = isHex64(text) ? hexToBytes(text) : undefined
    return key && commitmentOf(key) === control.commitment ? key : undefined
  } catch {
    return undefined
  }
}
