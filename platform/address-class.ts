/** [network, prefix length] of IPv4 that no stranger's address may lie in (IANA special-purpose registry, RFC 6890). */
const IPV4_SPECIAL: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
]

/** Names that mean this machine or this network (RFC 6761, 6762, 8375), or that no ordinary resolver knows (RFC 7686). */
const LOCAL_NAMES = ['localhost', 'local', 'internal', 'intranet', 'lan', 'home.arpa', 'onion']

const numberOf = (ipv4: string): number => ipv4.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)

function isPublicIpv4(address: number): boolean {
  return !IPV4_SPECIAL.some(([network, prefix]) => {
    const size = 2 ** (32 - prefix)
    return Math.floor(address / size) === Math.floor(numberOf(network) / size)
  })
}

/** The eight groups of an IPv6 address; undefined if it is none. */
function groupsOf(address: string): number[] | undefined {
  // The URL parser knows every spelling, and turns an embedded IPv4 tail into groups.
  const url = `http://[${address.replace(/%.*$/, '')}]`
  if (!URL.canParse(url)) return undefined
  const [head = '', tail] = new URL(url).hostname.slice(1, -1).split('::')
  const parse = (part: string) => (part === '' ? [] : part.split(':').map(group => Number.parseInt(group, 16)))
  const [before, after] = [parse(head), parse(tail ?? '')]
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
}

function isPublicIpv6(groups: readonly number[]): boolean {
  const [first = 0, second = 0] = groups
  const low = (groups[6] ?? 0) * 65_536 + (groups[7] ?? 0)
  const leading = (count: number, value: number) => groups.slice(0, count).every(group => group === value)
  // IPv4 in disguise: mapped (::ffff:0:0/96) and translated (64:ff9b::/96).
  if (leading(5, 0) && groups[5] === 0xffff) return isPublicIpv4(low)
  if (first === 0x64 && second === 0xff9b && groups.slice(2, 6).every(group => group === 0)) return isPublicIpv4(low)
  // Global unicast is 2000::/3; of it protocol assignments, documentation and 6to4 are not.
  if (first < 0x2000 || first > 0x3fff) return false
  if (first === 0x2001 && (second < 0x200 || second === 0xdb8)) return false
  return first !== 0x2002 && !(first === 0x3fff && second < 0x1000)
}

/** Whether an IP address belongs to the public internet: not to this machine, a private network, or a special purpose. */
export function isPublicAddress(address: string): boolean {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) return isPublicIpv4(numberOf(address))
  const groups = groupsOf(address)
  return groups !== undefined && isPublicIpv6(groups)
}

/**
 * Whether a URL's hostname may lie on the public internet: addresses by their range, names unless they are local by themselves.
 * What a name resolves to is another question, which only the dialler can ask.
 */
export function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith('[')) return isPublicAddress(hostname.slice(1, -1))
  if (/^[\d.]+$/.test(hostname)) return isPublicAddress(hostname)
  const name = hostname.toLowerCase().replace(/\.$/, '')
  return name.includes('.') && !LOCAL_NAMES.some(local => name.endsWith(`.${local}`))
}
