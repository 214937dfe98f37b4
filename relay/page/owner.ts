import { sha256Hex } from '../../platform/web-hash.ts'
import { button, make, part, plain } from './dom.ts'
import type { PageEvent, PageSocket, Template } from './socket.ts'

/** A browser extension that holds the visitor's key (NIP-07). The key never comes here. */
interface Extension {
  getPublicKey(): Promise<string>
  signEvent(template: Template): Promise<PageEvent>
}

export interface OwnerOptions {
  readonly socket: PageSocket
  /** Seconds since 1970. */
  readonly now: () => number
}

/** Lists that an owner keeps: the NIP-86 methods behind each. */
const LISTS = [
  {
    title: 'Members',
    list: 'listallowedpubkeys',
    add: 'allowpubkey',
    remove: 'unallowpubkey',
    field: 'pubkey',
    what: 'public key, 64 hex',
  },
  {
    title: 'Banned keys',
    list: 'listbannedpubkeys',
    add: 'banpubkey',
    remove: 'unbanpubkey',
    field: 'pubkey',
    what: 'public key, 64 hex',
  },
  {
    title: 'Banned events',
    list: 'listbannedevents',
    add: 'banevent',
    remove: 'allowevent',
    field: 'id',
    what: 'event id, 64 hex',
  },
  {
    title: 'Blocked addresses',
    list: 'listblockedips',
    add: 'blockip',
    remove: 'unblockip',
    field: 'ip',
    what: 'IP address or block',
  },
] as const

/** The owner's part: shown where the relay is managed over NIP-86, opened by a key that owns it. */
export function showOwner({ socket, now }: OwnerOptions): void {
  const state = part('owner-state')
  const login = part('login')
  part('owner').hidden = false
  const say = (text: string, bad = false) => {
    state.textContent = plain(text, 300)
    state.className = bad ? 'bad' : ''
  }
  const attempt = (work: () => Promise<void>) => {
    work().catch(error => say(error instanceof Error ? error.message : String(error), true))
  }
  login.addEventListener('click', () =>
    attempt(async () => {
      const extension = (window as unknown as { nostr?: Extension }).nostr
      if (extension === undefined)
        return say('This browser has no Nostr extension (NIP-07). The same can be done with any NIP-86 client.', true)
      const sign = (template: Template) => extension.signEvent(template)
      const call = createCall(sign, now)
      await call('supportedmethods')
      await socket.authenticate(sign, now())
      login.hidden = true
      say(`logged in as ${await extension.getPublicKey()}`)
      await draw(call)
    }),
  )
  const draw = async (call: Call): Promise<void> => {
    const redraw = () => attempt(() => draw(call))
    const lists = await Promise.all(
      LISTS.map(async spec => listPart(spec, await call(spec.list), call, redraw, attempt)),
    )
    part('manage').replaceChildren(await invitePart(call, attempt), await retentionPart(call, attempt), ...lists)
  }
}

type Call = (method: string, ...params: unknown[]) => Promise<unknown>
type Attempt = (work: () => Promise<void>) => void

/** One NIP-86 call, signed with NIP-98 by the visitor's extension. Rejects with what the relay said. */
function createCall(sign: (template: Template) => Promise<PageEvent>, now: () => number): Call {
  let calls = 0
  return async (method, ...params) => {
    calls += 1
    const body = JSON.stringify({ method, params })
    const tags = [
      ['u', `${location.origin}/`],
      ['method', 'POST'],
      ['payload', await sha256Hex(body)],
    ]
    // A token counts once, and two calls of one second would otherwise be the same.
    tags.push(['n', `${calls}`])
    const token = await sign({ kind: 27_235, created_at: now(), tags, content: '' })
    const response = await fetch('/', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/nostr+json+rpc', authorization: `Nostr ${btoa(JSON.stringify(token))}` },
    })
    const { result, error } = (await response.json()) as { result?: unknown; error?: string }
    if (error !== undefined) throw new Error(error)
    return result
  }
}

function listPart(
  spec: (typeof LISTS)[number],
  rows: unknown,
  call: Call,
  redraw: () => void,
  attempt: Attempt,
): HTMLElement {
  const change = (method: string, value: string) =>
    attempt(async () => {
      await call(method, value)
      redraw()
    })
  const values = (Array.isArray(rows) ? rows : []).map(row => ({
    value: String((row as Record<string, unknown>)[spec.field]),
    reason: String((row as Record<string, unknown>)['reason'] ?? ''),
  }))
  const input = make('input')
  input.setAttribute('aria-label', `${spec.title}: ${spec.what}`)
  input.placeholder = spec.what
  input.autocomplete = 'off'
  return make(
    'div',
    {},
    make('h3', {}, `${spec.title} (${values.length})`),
    make(
      'div',
      { className: 'row' },
      input,
      button('Add', () => change(spec.add, input.value.trim())),
    ),
    make(
      'ul',
      { className: 'list' },
      ...values.map(({ value, reason }) =>
        make(
          'li',
          { className: 'row' },
          make('code', {}, plain(value, 80)),
          reason === '' ? undefined : make('small', {}, plain(reason, 120)),
          labelled(
            button('Remove', () => change(spec.remove, value)),
            `Remove ${value} from ${spec.title}`,
          ),
        ),
      ),
    ),
  )
}

const labelled = (element: HTMLButtonElement, label: string): HTMLButtonElement => {
  element.setAttribute('aria-label', label)
  return element
}

async function invitePart(call: Call, attempt: Attempt): Promise<HTMLElement> {
  const code = make('code')
  code.setAttribute('role', 'status')
  const create = () =>
    attempt(async () => {
      code.textContent = String(await call('createinvite'))
    })
  return make(
    'div',
    {},
    make('h3', {}, 'Invite somebody'),
    make('div', { className: 'row' }, button('Make a code', create), code),
    make(
      'small',
      {},
      'One use, seven days. Whoever gets it joins with: posthorn publish --kind 28934 --tag=- --tag claim=CODE',
    ),
  )
}

interface Retention {
  readonly rules: readonly string[]
}

async function retentionPart(call: Call, attempt: Attempt): Promise<HTMLElement> {
  const { rules } = (await call('listretention')) as Retention
  const outcome = make('small')
  outcome.setAttribute('role', 'status')
  const prune = () =>
    attempt(async () => {
      outcome.textContent = `${String(await call('prune'))} events taken`
    })
  return make(
    'div',
    {},
    make('h3', {}, 'Retention'),
    make(
      'p',
      {},
      rules.length === 0
        ? 'Everything is kept.'
        : 'Of these rules the first that names an event decides; what none names is kept:',
    ),
    make('ul', {}, ...rules.map(rule => make('li', {}, make('code', {}, plain(rule, 200))))),
    make('div', { className: 'row' }, button('Apply now', prune), outcome),
  )
}
