import type { ModelRequest, Move } from './model-server.ts'

/**
 * The model of all scenarios. A prompt `USE tool {json}` has it call that posthorn tool; a notice of posthorn has it do what the
 * notice says, unless it `ignores` notices; to all else it says one word. After a tool's result it ends its turn.
 */
export const player =
  ({ ignores = false } = {}) =>
  ({ tools, asked, lastAsked, result }: ModelRequest): Move => {
    const notice = lastMatch(NOTICE, asked || lastAsked)
    const order = lastMatch(/USE (\w+) (\{.*?\})/g, asked || lastAsked)
    const [name, args] = notice
      ? [notice[1] ?? '', { wake: notice[2] }]
      : order
        ? [order[1] ?? '', JSON.parse(order[2] ?? '{}')]
        : []
    if (name === undefined || (notice && ignores)) return { text: 'hello' }
    const tool = tools.find(each => each.includes('posthorn') && each.endsWith(name))
    if (result !== undefined && !WAITED.test(result)) return { text: 'turn over' }
    if (tool !== undefined) return { tool, args }
    // Codex asks its model before a server has started: one of its own tools waits for that.
    const own = tools.find(each => each === 'exec_command')
    return own === undefined
      ? { text: `there is no ${name} among ${tools.join(' ')}` }
      : { tool: own, args: { cmd: 'sleep 1; echo waited' } }
  }

const NOTICE = /posthorn tool (\w+) with wake "(\w+)"/g
const WAITED = /waited|[Ee]xit code|exec_command/
const lastMatch = (pattern: RegExp, text: string): RegExpMatchArray | undefined => [...text.matchAll(pattern)].at(-1)
