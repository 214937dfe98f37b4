import { existsSync, realpathSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Mount, mountOf } from '../platform/mounts.ts'
import type { CliHost } from './context.ts'
import { CliError } from './errors.ts'
import { EXIT } from './exit-codes.ts'

/** Variables that hosting platforms set for every service, and what keeps data there. */
const PLATFORMS: readonly { readonly variable: string; readonly name: string; readonly keep: string }[] = [
  { variable: 'RENDER', name: 'Render', keep: 'add a disk to the service and set POSTHORN_DATA to a folder on it' },
  { variable: 'FLY_APP_NAME', name: 'Fly.io', keep: 'mount a volume and set POSTHORN_DATA to a folder on it' },
  { variable: 'RAILWAY_ENVIRONMENT', name: 'Railway', keep: 'attach a volume and set POSTHORN_DATA to a folder on it' },
  { variable: 'K_SERVICE', name: 'Cloud Run', keep: 'run the relay where there is a disk; this platform has none' },
  { variable: 'DYNO', name: 'Heroku', keep: 'run the relay where there is a disk; this platform has none' },
]
const IN_MEMORY = ['tmpfs', 'ramfs']

/**
 * Refuses a data folder that the platform throws away at the next deploy: mail that was acknowledged would be gone.
 * Only where that is certain: a container or pod on its own may be somebody's workplace, where nothing is lost that matters.
 */
export function refuseEphemeral(folder: string, env: CliHost['env'], look = mountOf, exists = existsSync): void {
  const platform = PLATFORMS.find(({ variable }) => env[variable] !== undefined)
  if (platform === undefined) return
  const mount = look(nearestExisting(folder, exists))
  if (mount === undefined || !isThrownAway(mount)) return
  throw new CliError(
    'storage-ephemeral',
    EXIT.failure,
    `${folder} does not outlive the next deploy on ${platform.name}: everything the relay acknowledged would be lost`,
    { hint: `${platform.keep}; or say --allow-ephemeral if that is what you want` },
  )
}

const isThrownAway = ({ path, type }: Mount): boolean => path === '/' || type === 'overlay' || IN_MEMORY.includes(type)

/** A folder still to be made will lie where its nearest parent does. */
function nearestExisting(folder: string, exists: (path: string) => boolean): string {
  let path = folder
  while (!exists(path) && dirname(path) !== path) path = dirname(path)
  return exists(path) ? realpathSync(path) : path
}
