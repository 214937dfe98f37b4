import { WINDOW_BITS } from './deflate.ts'

// Sec-WebSocket-Extensions (RFC 6455 §9.1) as a server reads it. `ws` refuses the whole handshake if one offer of permessage-deflate
// does not suit it; RFC 7692 §5 has such an offer declined, so `ws` is shown only the one that is taken.

/** A parameter's value; `true` for one that has none. */
type Parameter = readonly [name: string, value: string | true]

interface Offer {
  readonly name: string
  readonly parameters: readonly Parameter[]
}

const PARAMETER =
  /[ \t]*;[ \t]*([!#$%&'*+\-.^_`|~\w]+)(?:[ \t]*=[ \t]*(?:([!#$%&'*+\-.^_`|~\w]+)|"((?:[^"\\]|\\.)*)"))?/y
const NAME = /[ \t]*([!#$%&'*+\-.^_`|~\w]+)/y
const COMMA = /[ \t]*(?:,|$)/y

/**
 * The offer of permessage-deflate that this relay takes, as a header value, or '' to go on without compression.
 * Undefined: the header is malformed, and the handshake fails (RFC 6455 §9.1).
 */
export function chooseDeflate(header: string): string | undefined {
  const offers = parseOffers(header)
  if (offers === undefined) return undefined
  const taken = offers.find(({ name, parameters }) => name === 'permessage-deflate' && suits(parameters))
  if (taken === undefined) return ''
  return [taken.name, ...taken.parameters.map(([name, value]) => (value === true ? name : `${name}=${value}`))].join(
    '; ',
  )
}

function parseOffers(header: string): Offer[] | undefined {
  const offers: Offer[] = []
  let at = 0
  const read = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at
    const match = pattern.exec(header)
    if (match !== null) at = pattern.lastIndex
    return match
  }
  while (at < header.length) {
    const name = read(NAME)?.[1]
    if (name === undefined) return undefined
    const parameters: Parameter[] = []
    for (let match = read(PARAMETER); match !== null; match = read(PARAMETER)) {
      const [, parameter = '', token, quoted] = match
      const value = token ?? quoted?.replace(/\\(.)/g, '$1') ?? true
      // A quoted value must be a token once it is unquoted.
      if (value !== true && !/^[!#$%&'*+\-.^_`|~\w]+$/.test(value)) return undefined
      parameters.push([parameter, value])
    }
    if (read(COMMA) === null) return undefined
    offers.push({ name, parameters })
  }
  // A comma at the end announces an offer that is not there.
  return offers.length === 0 || /,[ \t]*$/.test(header) ? undefined : offers
}

/** Whether all parameters are known, given once, and such that our window fits (RFC 7692 §7.1). */
function suits(parameters: readonly Parameter[]): boolean {
  const names = parameters.map(([name]) => name)
  if (new Set(names).size < names.length) return false
  return parameters.every(([name, value]) => {
    switch (name) {
      case 'server_no_context_takeover':
      case 'client_no_context_takeover':
        return value === true
      case 'client_max_window_bits':
        return value === true || isWindow(value)
      case 'server_max_window_bits':
        return value !== true && isWindow(value) && Number(value) >= WINDOW_BITS
      default:
        return false
    }
  })
}

const isWindow = (value: string): boolean => /^(?:[89]|1[0-5])$/.test(value)
