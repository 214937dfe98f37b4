import {
  type Authenticate,
  type ConnectOptions,
  connect,
  type OpenKeyOptions,
  openHomeSigner,
  type RelayClient,
} from '../sdk/index.ts'
import { chosenProfile, type ProfileOptions } from './profile.ts'

/** Signs a relay's challenge with the profile's key, which is opened only then. */
export const authenticateAs =
  (
    profile: ProfileOptions,
    env: Readonly<Record<string, string | undefined>>,
    passphrase: OpenKeyOptions['passphrase'],
  ): Authenticate =>
  async template => {
    const signer = await openHomeSigner(chosenProfile(profile, env), { passphrase })
    try {
      return await signer.sign(template)
    } finally {
      await signer.close?.()
    }
  }

/**
 * One connection for a verb. A relay that demands AUTH is given the profile's key; the others do not learn who asks; `onDemand` is told. Without
 * a profile a demand is refused with what to do about it.
 */
export const connectAs = (
  url: string,
  profile: ProfileOptions,
  env: Readonly<Record<string, string | undefined>>,
  {
    onDemand,
    passphrase,
    ...options
  }: Pick<ConnectOptions, 'timeoutMs'> & Pick<OpenKeyOptions, 'passphrase'> & { readonly onDemand?: () => void },
): Promise<RelayClient> => {
  const authenticate = authenticateAs(profile, env, passphrase)
  return connect(url, {
    ...options,
    async authenticate(template) {
      onDemand?.()
      return authenticate(template)
    },
  })
}
