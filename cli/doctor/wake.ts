import { type WakeStatus, wakePathOn } from '../../mcp/wake-path.ts'
import { fileShelf } from '../../sdk/home/file-shelf.ts'
import type { Profile } from '../../sdk/index.ts'
import type { Finding } from './finding.ts'

export const wakeStatus = ({ home }: Pick<Profile, 'home'>): WakeStatus => wakePathOn(fileShelf(home)).status()

/** Is the coding agent of this profile woken by mail, as far as was seen? */
export function lookAtWake(profile: Profile): Finding {
  const { state, host = '', unheard } = wakeStatus(profile)
  if (unheard)
    return {
      check: 'wake',
      level: 'warn',
      about: host,
      what:
        state === 'verified'
          ? 'its model echoed a notice before, and did not echo the last one'
          : 'a notice went out, and its model did not echo it',
      do: `see whether ${host} waits at a question: posthorn install --host ${host} --allow-tools lets its model use the tools without asking; the notice goes out again at the next stop or start`,
    }
  switch (state) {
    case 'none':
      return { check: 'wake', level: 'ok', what: 'no coding agent is set up to be woken by mail' }
    case 'verified':
      return { check: 'wake', level: 'ok', about: host, what: 'a notice woke its model, which echoed it' }
    case 'unverified':
      return {
        check: 'wake',
        level: 'warn',
        code: 'wake-unverified',
        about: host,
        what: 'set up to be woken by mail, but no notice was ever echoed',
        do: `have somebody send to this profile while ${host} is idle; it says verified once the model looked`,
      }
    default:
      return state satisfies never
  }
}
