import { sha256 } from '@noble/hashes/sha2.js'
import { bytesToHex } from '../../protocol/hex.ts'
import { npubOf } from '../npub.ts'
import { DocError } from './errors.ts'

/** A document is its owner's, under a name: whoever knows both knows it, and nobody else can be its first member. */
export interface DocName {
  /** 64 hex. */
  readonly owner: string
  readonly name: string
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u
const utf8 = new TextEncoder()

/** Reads `name` (own) or `owner/name`, the owner in any form that `resolve` knows. */
export function parseDocName(text: string, self: string, resolve: (who: string) => string): DocName {
  const slash = text.indexOf('/')
  const name = text.slice(slash + 1).normalize('NFC')
  if (!NAME.test(name))
    throw new DocError(
      'doc-name',
      `${JSON.stringify(text)} names no document: it is name or owner/name, the name up to 64 letters, digits, ".", "_" and "-".`,
    )
  return { owner: slash === -1 ? self : resolve(text.slice(0, slash)), name }
}

/** What people call it: `name`, or `npub…/name` where it is another's. */
export const labelOf = ({ owner, name }: DocName, self: string): string =>
  owner === self ? name : `${npubOf(owner)}/${name}`

/** What events call the document in their tag `o`: 32 hex, which tell neither name nor owner to who does not know both. */
export const documentId = ({ owner, name }: DocName): string =>
  bytesToHex(sha256(utf8.encode(JSON.stringify(['posthorn-doc', owner, name])))).slice(0, 32)

/** The log of one generation. */
export const logOf = (id: string, generation: number): string => `${id}.${generation}`
