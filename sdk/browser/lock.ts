import { HomeInUseError, UnsupportedHostError } from '../errors.ts'

/**
 * One owner per profile over all tabs and workers of the origin, by a Web Lock, which the browser drops with the page.
 * Resolves to the release. Throws {@link HomeInUseError}.
 */
export async function lockProfile(name: string, locks: LockManager | undefined): Promise<() => void> {
  if (!locks)
    throw new UnsupportedHostError('Web Locks are missing here; serve the page over https, or from localhost.')
  return new Promise((resolve, reject) => {
    const held = new Promise<void>(release => {
      locks
        .request(`posthorn/${name}`, { ifAvailable: true }, lock => {
          if (!lock) throw new HomeInUseError(name, 'another tab or worker of this site')
          resolve(release)
          return held
        })
        .catch(reject)
    })
  })
}
