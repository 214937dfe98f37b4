import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'

/** What a scripted model does next: say something, or call one tool. */
export type Move = { readonly text: string } | { readonly tool: string; readonly args: Record<string, unknown> }

/** One request of a host, in the same form for all three wire formats. */
export interface ModelRequest {
  readonly format: 'messages' | 'responses' | 'chat'
  /** Names as the host offers them, e.g. `mcp__posthorn__whoami`. */
  readonly tools: readonly string[]
  /** The last thing that a user, or the host in a user's place, said; tools may have answered since. */
  readonly lastAsked: string
  /** Text of the last item, if a user (or the host in a user's place) said it. */
  readonly asked: string
  /** Text of the last item, if it is a tool's result. */
  readonly result: string | undefined
  /** The whole body, to look for what a host put into it. */
  readonly body: string
}

export interface ModelServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, without a path. */
  readonly url: string
  /** All requests that could have called a tool, oldest first. */
  readonly requests: readonly ModelRequest[]
  /** Connections to anything but a model: method, path. */
  readonly others: readonly string[]
}

/** A model on loopback that plays by `play`: Anthropic Messages, OpenAI Responses and Chat Completions, streamed. */
export async function startModel(play: (request: ModelRequest) => Move): Promise<ModelServer> {
  const requests: ModelRequest[] = []
  const others: string[] = []
  const server = createServer((request, response) => {
    void answer(request, response).catch(error => {
      others.push(`failed: ${error}`)
      response.destroy()
    })
  })
  async function answer(request: IncomingMessage, response: ServerResponse) {
    const path = new URL(request.url ?? '/', 'http://x').pathname
    const wire = WIRES.find(({ end }) => path.endsWith(end))
    if (request.method !== 'POST' || wire === undefined) {
      others.push(`${request.method} ${path}`)
      const models = { object: 'list', data: [{ id: 'scripted', object: 'model' }], models: [] }
      response.writeHead(path.endsWith('/models') ? 200 : 404, { 'content-type': 'application/json' })
      response.end(JSON.stringify(path.endsWith('/models') ? models : { error: { message: 'not a model' } }))
      return
    }
    const body = record(await json(request))
    const seen: ModelRequest = { format: wire.format, ...wire.read(body), body: JSON.stringify(body) }
    if (seen.tools.length > 0) requests.push(seen)
    const move = seen.tools.length > 0 ? play(seen) : { text: 'a title' }
    if (body['stream'] === true) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
      for (const [event, data] of wire.stream(move)) {
        if (event !== '') response.write(`event: ${event}\n`)
        response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`)
      }
      response.end()
    } else {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(wire.whole(move)))
    }
  }
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    others,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}

type Json = Record<string, unknown>
type Event = readonly [event: string, data: Json | string]

interface Wire {
  readonly format: ModelRequest['format']
  readonly end: string
  read(body: Json): Pick<ModelRequest, 'tools' | 'asked' | 'lastAsked' | 'result'>
  stream(move: Move): readonly Event[]
  whole(move: Move): Json
}

const record = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? value.map(record) : [])

/** All text within a content, whatever its shape. */
function textOf(content: unknown): string {
  if (typeof content === 'string') return content
  if (!Array.isArray(content)) return ''
  return content.map(part => String(record(part)['text'] ?? textOf(record(part)['content']))).join('\n')
}

const lastText = (messages: readonly Json[]): string => textOf(messages.at(-1)?.['content'])

let made = 0
const newId = (prefix: string) => `${prefix}_${String(++made).padStart(8, '0')}`
const usage = { input_tokens: 10, output_tokens: 5 }

const messages: Wire = {
  format: 'messages',
  end: '/messages',
  read(body) {
    // Hosts put reminders of their own in after what matters: the last user turn is taken as a whole.
    const last = list(body['messages']).at(-1) ?? {}
    const results = list(last['content']).filter(({ type }) => type === 'tool_result')
    return {
      tools: list(body['tools']).map(({ name }) => String(name)),
      asked: results.length > 0 ? '' : textOf(last['content']),
      lastAsked: lastText(
        list(body['messages']).filter(
          ({ role, content }) => role === 'user' && !list(content).some(({ type }) => type === 'tool_result'),
        ),
      ),
      result: results.length > 0 ? textOf(results) : undefined,
    }
  },
  stream(move) {
    const block =
      'text' in move
        ? [
            { type: 'text', text: '' },
            { type: 'text_delta', text: move.text },
          ]
        : [
            { type: 'tool_use', id: newId('toolu'), name: move.tool, input: {} },
            { type: 'input_json_delta', partial_json: JSON.stringify(move.args) },
          ]
    const message = { id: newId('msg'), type: 'message', role: 'assistant', model: 'scripted', content: [] }
    const events: Json[] = [
      { type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null, usage } },
      { type: 'content_block_start', index: 0, content_block: block[0] },
      { type: 'content_block_delta', index: 0, delta: block[1] },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: stopOf(move), stop_sequence: null }, usage },
      { type: 'message_stop' },
    ]
    return events.map(event => [String(event['type']), event])
  },
  whole: move => ({
    id: newId('msg'),
    type: 'message',
    role: 'assistant',
    model: 'scripted',
    content: [
      'text' in move
        ? { type: 'text', text: move.text }
        : { type: 'tool_use', id: newId('toolu'), name: move.tool, input: move.args },
    ],
    stop_reason: stopOf(move),
    stop_sequence: null,
    usage,
  }),
}
const stopOf = (move: Move) => ('text' in move ? 'end_turn' : 'tool_use')

const responses: Wire = {
  format: 'responses',
  end: '/responses',
  read(body) {
    const last = list(body['input']).at(-1) ?? {}
    const isResult = String(last['type']).endsWith('_output')
    const tools = list(body['tools']).flatMap(tool =>
      tool['type'] === 'namespace'
        ? list(tool['tools']).map(({ name }) => `${tool['name']}/${name}`)
        : [String(tool['name'] ?? tool['type'])],
    )
    return {
      tools,
      asked: isResult ? '' : textOf(last['content']),
      lastAsked: lastText(list(body['input']).filter(({ role }) => role === 'user')),
      result: isResult
        ? typeof last['output'] === 'string'
          ? last['output']
          : textOf(last['output']) || JSON.stringify(last)
        : undefined,
    }
  },
  stream(move) {
    const item = responseItem(move)
    const response = {
      id: newId('resp'),
      object: 'response',
      status: 'completed',
      output: [item],
      usage: responseUsage,
    }
    return [
      ['response.created', { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } }],
      ['response.output_item.added', { type: 'response.output_item.added', output_index: 0, item }],
      ['response.output_item.done', { type: 'response.output_item.done', output_index: 0, item }],
      ['response.completed', { type: 'response.completed', response }],
    ]
  },
  whole: move => ({
    id: newId('resp'),
    object: 'response',
    status: 'completed',
    output: [responseItem(move)],
    usage: responseUsage,
  }),
}
const responseUsage = {
  input_tokens: 10,
  input_tokens_details: { cached_tokens: 0 },
  output_tokens: 5,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: 15,
}

function responseItem(move: Move): Json {
  if ('text' in move)
    return {
      type: 'message',
      id: newId('msg'),
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: move.text, annotations: [] }],
    }
  const [namespace, name] = move.tool.includes('/') ? move.tool.split('/') : [undefined, move.tool]
  return {
    type: 'function_call',
    id: newId('fc'),
    call_id: newId('call'),
    status: 'completed',
    name,
    ...(namespace === undefined ? {} : { namespace }),
    arguments: JSON.stringify(move.args),
  }
}

const chat: Wire = {
  format: 'chat',
  end: '/chat/completions',
  read(body) {
    const last = list(body['messages']).at(-1) ?? {}
    const isResult = last['role'] === 'tool'
    return {
      tools: list(body['tools']).map(tool => String(record(tool['function'])['name'])),
      asked: isResult ? '' : textOf(last['content']),
      lastAsked: lastText(list(body['messages']).filter(({ role }) => role === 'user')),
      result: isResult ? textOf(last['content']) : undefined,
    }
  },
  stream(move) {
    const base = { id: newId('chatcmpl'), object: 'chat.completion.chunk', created: 1, model: 'scripted' }
    const delta =
      'text' in move
        ? { role: 'assistant', content: move.text }
        : { role: 'assistant', tool_calls: [{ index: 0, ...chatCall(move) }] }
    return [
      ['', { ...base, choices: [{ index: 0, delta, finish_reason: null }] }],
      ['', { ...base, choices: [{ index: 0, delta: {}, finish_reason: chatStop(move) }], usage: chatUsage }],
      ['', '[DONE]'],
    ]
  },
  whole: move => ({
    id: newId('chatcmpl'),
    object: 'chat.completion',
    created: 1,
    model: 'scripted',
    choices: [
      {
        index: 0,
        finish_reason: chatStop(move),
        message:
          'text' in move
            ? { role: 'assistant', content: move.text }
            : { role: 'assistant', content: null, tool_calls: [chatCall(move)] },
      },
    ],
    usage: chatUsage,
  }),
}
const chatUsage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
const chatStop = (move: Move) => ('text' in move ? 'stop' : 'tool_calls')
const chatCall = (move: Exclude<Move, { text: string }>) => ({
  id: newId('call'),
  type: 'function',
  function: { name: move.tool, arguments: JSON.stringify(move.args) },
})

const WIRES: readonly Wire[] = [messages, responses, chat]
