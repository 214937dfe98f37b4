// The relay of the backlog run, in a process of its own, so that it takes no turn of the agents' event loop.
import { createRelay } from 'posthorn/relay'

const generous = 1_000_000_000
const relay = await createRelay({
  data: process.argv[2],
  limits: { eventBurst: generous, eventsPerMinute: generous, requestBurst: generous, requestsPerMinute: generous },
})
process.send({ url: await relay.listen({ port: 0 }) })
