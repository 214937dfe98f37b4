import { isAbsolute, join } from 'node:path'
import { homeFolder } from '../../sdk/home/home-folder.ts'
import type { Command, Context } from '../context.ts'
import { UsageError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { type AgentHost, agentHostNamed, type HostSetup } from '../install/agent-hosts.ts'
import { diffLines } from '../install/diff.ts'
import { applyChange, type FileChange, planChange } from '../install/file-edit.ts'
import { isPortable, ownCommand } from '../install/own-command.ts'
import { projectFolder } from '../project-profile.ts'
import { escapeText } from '../text.ts'

/** `posthorn install --host H`: writes a host's own configuration, after showing what changes. */
export const install: Command<'install'> = async context => {
  const { options, out, env } = context
  const host = agentHostNamed(options.host)
  const setup = { ...setupOf(context), allowTools: await isAllowed(host, context) }
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
  const say = () => {
    if (!options.uninstall) for (const line of warnings(host, setup)) out.say(line)
  }
  if (changes.length === 0) {
    out.result('nothing to change', { ...about, written: false })
    return EXIT.ok
  }
  const shown = changes.flatMap(change => shownChange(change, context)).join('\n')
  if (options['dry-run']) {
    out.result(shown, { ...about, written: false })
    say()
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
  say()
  return EXIT.ok
}

/** What the user should know of what is written. */
function* warnings(host: AgentHost, { scope, command, allowTools }: HostSetup): Generator<string> {
  if (!allowTools && host.allowing !== undefined)
    yield `${host.title} may ask you before each use of a posthorn tool; a session that is woken while you are away then waits at that question. To let its model read and answer mail without asking: add --allow-tools (${host.allowing})`
  if (scope === 'project' && !isPortable(command))
    yield `the files name ${escapeText(command.at(-1) ?? '')}, which only this machine has: do not commit them. For files that suit others, make posthorn a dependency of the project or install it globally, then install again; or set it up for you alone with --user`
}

/** `--allow-tools`, or what a person answers. It is theirs to decide: with it a model can send mail on its own. */
async function isAllowed(host: AgentHost, { options, confirm, out }: Context<'install'>): Promise<boolean> {
  if (options['allow-tools']) return true
  if (host.allowing === undefined || options.uninstall || options.yes || options['dry-run'] || confirm === undefined)
    return false
  out.say(
    `A session that is woken while you are away can only go on if its model may use the posthorn tools without asking. They read mail and write to your contacts. Allowing them ${host.allowing}.`,
  )
  return confirm('let the model use posthorn tools without asking?')
}

function setupOf({ options, env }: Context<'install'>): Omit<HostSetup, 'allowTools'> {
  if (options.user && options.project) throw new UsageError('--user and --project exclude each other; give one of them')
  if (options.profile !== 'base' && options.profile !== 'full')
    throw new UsageError(`--profile is base or full, got ${JSON.stringify(options.profile)}`)
  const project = projectFolder(options.dir ?? process.cwd())
  return {
    scope: options.user ? 'user' : 'project',
    project,
    home: homeFolder(env),
    env,
    command: ownCommand(env['PATH'], process.argv[1] ?? 'posthorn', options.user ? undefined : project),
    profile: options.profile,
  }
}

/** Where it is remembered what files were before. */
function recordsFolder(env: HostSetup['env']): string {
  const xdg = env['XDG_STATE_HOME']
  const root = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homeFolder(env), '.local', 'state')
  return join(root, 'posthorn', 'install')
}

function shownChange({ path, before, after }: FileChange, { out, options }: Context<'install'>): string[] {
  const paint = options['dry-run'] ? out.paint : out.paintTalk
  return [paint.bold(escapeText(path)), ...diffLines(before ?? '', after ?? '', paint)]
}
