// The relay of the soak, in a process of its own: says what it holds when asked.
import { createRelay } from 'posthorn/relay'

const relay = await createRelay({ data: process.argv[2], limits: { connectionsPerAddress: 1_000 } })
process.send({ url: await relay.listen({ port: 0 }) })
process.on('message', what => {
  if (what === 'stop') return relay.close().then(() => process.exit(0))
  globalThis.gc()
  const { rss, heapUsed, external } = process.memoryUsage()
  const cpu = process.cpuUsage()
  process.send({
    rss,
    heapUsed,
    external,
    cpuMs: (cpu.user + cpu.system) / 1000,
    load: relay.load,
    last: relay.head.last,
  })
})
process.on('disconnect', () => process.exit(1))
