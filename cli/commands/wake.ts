import type { Command } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { agentHostNamed } from '../install/agent-hosts.ts'
import { wakeSession } from '../wake-session.ts'

/** `posthorn wake`: run by the hooks and plugins of coding agents when a session starts or has gone idle. */
export const wake: Command<'wake'> = async context => {
  const host = agentHostNamed(context.options.host)
  const session = await wakeSession(host, context)
  if (!session.canWake) return EXIT.ok
  // Only here: a host that waits for its hook (`claude -p`) is not to wait for the SDK to load.
  const { waitAndTell } = await import('../wake-wait.ts')
  return waitAndTell(host, session, context)
}
