import { hmacSha256 } from '../../platform/hmac-node.ts'
import type { SchnorrSign } from '../../protocol/signature.ts'
import type { Host } from '../api.ts'
import { KeyFileError } from '../errors.ts'
import { localSigner } from '../identity/local-signer.ts'
import type { Signer } from '../identity/signer.ts'
import { nodeHost } from '../node-host.ts'
import { resumeRemoteSigner } from '../remote-signer/index.ts'
import { type OpenKeyOptions, openKeyFile } from './key-file.ts'
import { homeFiles } from './paths.ts'
import type { Profile } from './profile.ts'

export interface HomeSignerOptions extends OpenKeyOptions {
  readonly host?: Host | undefined
  /** A faster implementation. */
  readonly sign?: SchnorrSign | undefined
}

/**
 * Signs as a profile: with the key in its home, or through the remote signer that has it, which is not waited for here. To be closed.
 * Rejects with {@link KeyFileError}.
 */
export async function openHomeSigner(profile: Profile, options: HomeSignerOptions = {}): Promise<Signer> {
  const { host = nodeHost, sign } = options
  const files = homeFiles(profile.home)
  const local = localSigner(await openKeyFile(files.key, options), host.random, sign, hmacSha256)
  const { signer: at, pubkey } = profile
  if (at) return resumeRemoteSigner({ host, at, client: local, pubkey })
  if (local.pubkey !== pubkey)
    throw new KeyFileError('key-malformed', `${files.key} is not the key of ${files.profile}; put the right one back.`)
  return local
}
