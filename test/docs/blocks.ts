/** One fenced block of a document and what its comment asks for. */
export interface Block {
  readonly document: string
  /** Line of the opening fence, from 1. */
  readonly line: number
  readonly language: string
  readonly code: string
  readonly run: Directives
}

export interface Directives {
  /** Why the block is not run. */
  readonly skip?: string
  /** Expected exit code of a `sh` block; default 0. */
  readonly exit: number
  readonly timeoutSeconds: number
  /** Keeps running until the document ends (a follower, an agent with handlers). Relays are recognised by themselves. */
  readonly background: boolean
  /** The code of the `ts` block before belongs in front of this one. */
  readonly continues: boolean
  /** Profiles to make first, at the document's relay. */
  readonly profiles: readonly string[]
  /** Send these frames to the document's relay; none may be refused. */
  readonly replay: boolean
  /** The lines of this `text` block must be in what the block before said, in order; `…` stands for anything. */
  readonly output: boolean
}

const FENCE = /^(`{3,}|~{3,})\s*([\w-]*)/
const COMMENT = /^<!--\s*(run|skip):\s*(.*?)\s*-->$/

/** Every fenced block. A comment `<!-- run: … -->` or `<!-- skip: why -->` on the line before (blank lines between) speaks for it. */
export function extractBlocks(document: string, markdown: string): Block[] {
  const blocks: Block[] = []
  const lines = markdown.split('\n')
  let comment: string | undefined
  for (let at = 0; at < lines.length; at += 1) {
    const text = (lines[at] ?? '').trim()
    const fence = FENCE.exec(text)
    if (fence === null) {
      if (COMMENT.test(text)) {
        if (comment !== undefined) throw new Error(`${document}:${at}: a run comment without its block`)
        comment = text
      } else if (text !== '' && comment !== undefined)
        throw new Error(`${document}:${at}: a run comment without its block`)
      continue
    }
    const [, mark = '```', language = ''] = fence
    const indent = (lines[at] ?? '').indexOf(mark)
    const end = lines.findIndex((line, n) => n > at && line.trim() === mark)
    if (end < 0) throw new Error(`${document}:${at + 1}: the fence is never closed`)
    const code = lines.slice(at + 1, end).map(line => line.slice(Math.min(indent, line.search(/\S|$/))))
    const run = readDirectives(comment, `${document}:${at + 1}`)
    blocks.push({ document, line: at + 1, language, code: code.join('\n'), run })
    comment = undefined
    at = end
  }
  if (comment !== undefined) throw new Error(`${document}: a run comment without its block`)
  return blocks
}

function readDirectives(comment: string | undefined, where: string): Directives {
  const run: { -readonly [K in keyof Directives]: Directives[K] } = {
    exit: 0,
    timeoutSeconds: 30,
    background: false,
    continues: false,
    profiles: [],
    replay: false,
    output: false,
  }
  const [, kind, text = ''] = COMMENT.exec(comment ?? '') ?? []
  if (kind === 'skip') {
    if (text === '') throw new Error(`${where}: skip needs a reason`)
    return { ...run, skip: text }
  }
  for (const word of kind === undefined ? [] : text.split(/\s+/)) {
    const [name, value = ''] = word.split('=')
    if (name === 'exit' && /^\d+$/.test(value)) run.exit = Number(value)
    else if (name === 'timeout' && /^\d+$/.test(value)) run.timeoutSeconds = Number(value)
    else if (name === 'profiles' && value !== '') run.profiles = value.split(',')
    else if ((name === 'background' || name === 'continues' || name === 'replay' || name === 'output') && value === '')
      run[name] = true
    else throw new Error(`${where}: unknown directive ${word}`)
  }
  return run
}
