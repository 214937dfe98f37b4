import { isRecord, parseJson } from '../protocol/json.ts'
import type { AgentCard, CardDraft, CardSkill } from '../sdk/index.ts'
import type { Context } from './context.ts'
import { errorCode, UsageError } from './errors.ts'
import { readTextFile, withoutMark } from './text-bytes.ts'

/** What `card set` was asked to change. Throws UsageError if nothing. */
export async function draftOf(
  context: Pick<Context<'card set'>, 'options' | 'readStdin'>,
): Promise<(before: AgentCard | undefined) => CardDraft> {
  const { options } = context
  const { name, description, version, file } = options
  const given: CardDraft = {
    ...(file === undefined ? {} : await readCard(file, context.readStdin)),
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(version === undefined ? {} : { version }),
  }
  const skills = options.skill.map(text => assignment('--skill', text))
  const tags = options.tag.map(text => assignment('--tag', text))
  const drop = options['drop-skill']
  const changesSkills = skills.length + tags.length + drop.length > 0
  if (Object.keys(given).length === 0 && !changesSkills)
    throw new UsageError('there is nothing to set', 'posthorn help card set lists what can be')
  return before =>
    changesSkills ? { ...given, skills: changed(given.skills ?? before?.skills ?? [], { skills, tags, drop }) } : given
}

interface Changes {
  readonly skills: readonly (readonly [id: string, text: string])[]
  readonly tags: readonly (readonly [id: string, tag: string])[]
  readonly drop: readonly string[]
}

function changed(before: readonly CardSkill[], { skills, tags, drop }: Changes): CardSkill[] {
  const byId = new Map(before.map(skill => [skill.id, skill]))
  for (const id of drop)
    if (!byId.delete(id)) throw new UsageError(`--drop-skill: there is no skill ${JSON.stringify(id)}`)
  for (const [id, description] of skills) {
    const known = byId.get(id)
    byId.set(id, known === undefined ? { id, name: id, description, tags: [] } : { ...known, description })
  }
  for (const [id, tag] of tags) {
    const skill = byId.get(id)
    if (skill === undefined)
      throw new UsageError(`--tag: there is no skill ${JSON.stringify(id)}; give it with --skill`)
    byId.set(id, { ...skill, tags: [...new Set([...skill.tags, tag])] })
  }
  return [...byId.values()]
}

function assignment(flag: string, text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new UsageError(`${flag} takes ID=TEXT, got ${JSON.stringify(text)}`)
  return [text.slice(0, at), text.slice(at + 1)]
}

async function readCard(file: string, readStdin: () => Promise<string>): Promise<CardDraft> {
  let text: string
  try {
    text = file === '-' ? withoutMark(await readStdin()) : readTextFile(file)
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new UsageError(`the card ${file} cannot be read (${errorCode(cause)})`)
  }
  const json = parseJson(text)
  if (!json.ok || !isRecord(json.value))
    throw new UsageError(`${file === '-' ? 'stdin' : file}: a card is a JSON object`)
  // Its fields are judged where it is set.
  return json.value as CardDraft
}
