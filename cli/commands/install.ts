import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import type { Command, Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { agentHostNamed, type HostSetup } from '../install/agent-hosts.ts'
import { diffLines } from '../install/diff.ts'
import { applyChange, type FileChange, planChange } from '../install/file-edit.ts'
import { ownCommand } from '../install/own-command.ts'
import { projectFolder } from '../project-profile.ts'
import { escapeText } from '../text.ts'

/** `posthorn install --host H`: writes a host's own configuration, after showing what changes. */
export const install: Command<'install'> = async context => {
  const { options, out, env } = context
  const host = agentHostNamed(options.host)
  const setup = setupOf(context)
  const records = recordsFolder(env)
  const changes = host
    .edits(setup)
    .map(edit => planChange(edit, options.uninstall, records))
    .filter(({ before, after }) => before !== after)
  const files = changes.map(({ path, before, after }) => ({
    path,
    change: before === undefined ? 'create' : after === undefined ? 'remove' : 'change',
  }))
  const about = { host: host.name, scope: setup.scope, uninstall: options.uninstall, files }
  if (changes.length === 0) {
    out.result('nothing to change', { ...about, written: false })
    return EXIT.ok
  }
  const shown = changes.flatMap(change => shownChange(change, context)).join('\n')
  if (options['dry-run']) {
    out.result(shown, { ...about, written: false })
    return EXIT.ok
  }
  if (!options.yes) {
    out.say(shown)
    if (context.confirm === undefined)
      throw new UsageError('nothing was written: there is no terminal to ask on', 'look at the changes, then add --yes')
    if (!(await context.confirm('write this?'))) {
      out.result('nothing was written', { ...about, written: false })
      return EXIT.ok
    }
  }
  for (const change of changes) applyChange(change, options.uninstall, records)
  out.result(files.map(({ path, change }) => `${change} ${escapeText(path)}`).join('\n'), { ...about, written: true })
  if (!options.uninstall) for (const line of host.afterwards) out.say(line)
  return EXIT.ok
}

function setupOf({ options, env }: Context<'install'>): HostSetup {
  if (options.user && options.project) throw new UsageError('--user and --project exclude each other; give one of them')
  if (options.profile !== 'base' && options.profile !== 'full')
    throw new UsageError(`--profile is base or full, got ${JSON.stringify(options.profile)}`)
  return {
    scope: options.user ? 'user' : 'project',
    project: projectFolder(options.dir ?? process.cwd()),
    home: env['HOME'] || homedir(),
    env,
    command: ownCommand(env['PATH'], process.argv[1] ?? 'posthorn'),
    profile: options.profile,
  }
}

/** Where it is remembered what files were before. */
function recordsFolder(env: HostSetup['env']): string {
  const xdg = env['XDG_STATE_HOME']
  const root = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env['HOME'] || homedir(), '.local', 'state')
  return join(root, 'posthorn', 'install')
}

function shownChange({ path, before, after }: FileChange, { out, options }: Context<'install'>): string[] {
  const paint = options['dry-run'] ? out.paint : out.paintTalk
  return [paint.bold(escapeText(path)), ...diffLines(before ?? '', after ?? '', paint)]
}
