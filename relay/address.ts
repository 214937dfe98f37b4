import { BlockList, isIP } from 'node:net'
import { isLoopback } from '../platform/origin.ts'
import { own } from '../protocol/json.ts'

/** Forwarded addresses are believed only from these peers. Throws a TypeError on what is neither a CIDR block nor a known name. */
export type TrustedProxies = (address: string) => boolean

/** Names that stand for blocks, so that the common hosts need no list of their own. */
const PRESETS: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
  /** www.cloudflare.com/ips */
  cloudflare: [
    '173.245.48.0/20',
    '103.21.244.0/22',
    '103.22.200.0/22',
    '103.31.4.0/22',
    '141.101.64.0/18',
    '108.162.192.0/18',
    '190.93.240.0/20',
    '188.114.96.0/20',
    '197.234.240.0/22',
    '198.41.128.0/17',
    '162.158.0.0/15',
    '104.16.0.0/13',
    '104.24.0.0/14',
    '172.64.0.0/13',
    '131.0.72.0/22',
    '2400:cb00::/32',
    '2606:4700::/32',
    '2803:f800::/32',
    '2405:b500::/32',
    '2405:8100::/32',
    '2a06:98c0::/29',
    '2c0f:f248::/32',
  ],
}

export function trustProxies(blocks: readonly string[]): TrustedProxies {
  const list = new BlockList()
  for (const block of blocks.flatMap(name => own(PRESETS, name) ?? [name])) addBlock(list, block)
  return address => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
}

function addBlock(list: BlockList, block: string): void {
  const [network = '', bits, ...rest] = block.split('/')
  const version = isIP(network)
  const widest = version === 6 ? 128 : 32
  const prefix = bits === undefined ? widest : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  if (version === 0 || rest.length > 0 || !(prefix <= widest))
    throw new TypeError(
      `${JSON.stringify(block)} is not a block of addresses; write it like 10.0.0.0/8, or ${Object.keys(PRESETS).join(', ')}`,
    )
  list.addSubnet(network, prefix, version === 6 ? 'ipv6' : 'ipv4')
}

/** An address in one spelling: IPv4-mapped IPv6 is IPv4, zones and brackets go. Undefined for anything that is no address. */
export function normalizeAddress(text: string): string | undefined {
  const bare = text.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '')
  if (isIP(bare) === 4) return bare
  if (isIP(bare) !== 6) return undefined
  const groups = expand(bare)
  if (groups.slice(0, 5).every(group => group === 0) && groups[5] === 0xffff) {
    const [high = 0, low = 0] = groups.slice(6)
    return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
  }
  // The URL standard's spelling is the canonical one (RFC 5952).
  return new URL(`http://[${bare}]`).hostname.slice(1, -1)
}

/** The eight 16-bit groups of a valid IPv6 address. */
function expand(address: string): number[] {
  // The URL parser turns an embedded IPv4 tail into groups.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::')
  const parse = (part: string) => (part === '' ? [] : part.split(':').map(group => Number.parseInt(group, 16)))
  const before = parse(head)
  const after = parse(tail ?? '')
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

/**
 * What one party is charged under: an IPv4 address, or the /64 of an IPv6 address, because whoever has one IPv6 address
 * has a whole /64 of them. `address` is normalised.
 */
export function addressKey(address: string): string {
  if (isIP(address) !== 6) return address
  return `${expand(address)
    .slice(0, 4)
    .map(group => group.toString(16))
    .join(':')}::/64`
}

export const isLoopbackAddress = (address: string): boolean => isLoopback(address)

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

/** Headers by which proxies speak of somebody else. Present at all, the connection did not come straight from this machine. */
const FORWARDED = [
  'forwarded',
  'via',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
  'true-client-ip',
  'cf-connecting-ip',
]

export const isForwarded = (headers: Headers): boolean => FORWARDED.some(name => headers[name] !== undefined)

/**
 * Whose connection it is. `X-Forwarded-For` is read from the right, and only as far as trusted proxies wrote it: everything
 * further left is what the client claims. Undefined when the peer itself is unknown.
 */
export function clientAddress(
  peer: string | undefined,
  headers: Headers,
  isTrusted: TrustedProxies,
): string | undefined {
  let address = normalizeAddress(peer ?? '')
  const header = headers['x-forwarded-for']
  const hops = (typeof header === 'string' ? header : (header ?? []).join(',')).split(',')
  while (address !== undefined && isTrusted(address)) {
    const hop = normalizeAddress(hops.pop()?.trim() ?? '')
    if (hop === undefined) break
    address = hop
  }
  return address
}
