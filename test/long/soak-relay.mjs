// The relay of the soak, in a process of its own: says what it holds when asked.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createRelay } from 'posthorn/relay'

/** Of memory that is resident, in bytes: what malloc holds (its heap and arenas), and what else is nobody's file. */
function residentBy() {
  const held = { malloc: 0, anonymous: 0, files: 0 }
  let kind = 'files'
  for (const line of readFileSync('/proc/self/smaps', 'utf8').split('\n')) {
    const mapping = /^([0-9a-f]+)-[0-9a-f]+ \S+ \S+ \S+ (\d+)\s*(.*)$/.exec(line)
    if (mapping) {
      const [, start, inode, name] = mapping
      // glibc aligns its arenas at 64 MiB.
      if (name === '[heap]' || (inode === '0' && BigInt(`0x${start}`) % 0x4000000n === 0n)) kind = 'malloc'
      else kind = inode === '0' ? 'anonymous' : 'files'
    }
    const resident = /^Rss:\s+(\d+) kB/.exec(line)
    if (resident) held[kind] += Number(resident[1]) * 1024
  }
  return held
}
const sizeOf = name => statSync(join(process.argv[2], name), { throwIfNoEntry: false })?.size ?? 0

const relay = await createRelay({ data: process.argv[2], limits: { connectionsPerAddress: 1_000 } })
process.send({ url: await relay.listen({ port: 0 }) })
process.on('message', what => {
  if (what === 'stop') return relay.close().then(() => process.exit(0))
  globalThis.gc()
  const { rss, heapUsed, external } = process.memoryUsage()
  const cpu = process.cpuUsage()
  process.send({
    rss,
    ...residentBy(),
    heapUsed,
    external,
    descriptors: readdirSync('/proc/self/fd').length,
    wal: sizeOf('log.db-wal'),
    file: sizeOf('log.db'),
    cpuMs: (cpu.user + cpu.system) / 1000,
    load: relay.load,
    last: relay.head.last,
  })
})
process.on('disconnect', () => process.exit(1))
