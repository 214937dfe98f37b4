import { join } from 'node:path'
import { systemRandom } from '../platform/random.ts'
import { signEvent } from '../protocol/index.ts'
import { type ConnectOptions, connect, type RelayClient, readKeyFile } from '../sdk/index.ts'
import { chosenProfile, type ProfileOptions } from './profile.ts'

/**
 * One connection for a verb. A relay that demands AUTH is given the profile's key; the others do not learn who asks; `onDemand` is told. Without
 * a profile a demand is refused with what to do about it.
 */
export const connectAs = (
  url: string,
  profile: ProfileOptions,
  env: Readonly<Record<string, string | undefined>>,
  { onDemand, ...options }: Pick<ConnectOptions, 'timeoutMs'> & { readonly onDemand?: () => void },
): Promise<RelayClient> =>
  connect(url, {
    ...options,
    authenticate(template) {
      onDemand?.()
      const key = readKeyFile(join(chosenProfile(profile, env).home, 'key'))
      try {
        return signEvent(template, key, systemRandom.bytes(32))
      } finally {
        key.fill(0)
      }
    },
  })
