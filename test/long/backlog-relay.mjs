// The relay of the backlog run, in a process of its own, so that it takes no turn of the agents' event loop.
import { createRelay } from 'posthorn/relay'

const generous = 1_000_000_000
/** The sender's clock goes forty days on; s. */
const createdAtFuture = 90 * 24 * 3_600
const relay = await createRelay({
  data: process.argv[2],
  limits: {
    createdAtFuture,
    eventBurst: generous,
    eventsPerMinute: generous,
    requestBurst: generous,
    requestsPerMinute: generous,
  },
})
process.send({ url: await relay.listen({ port: 0 }) })
// Whatever ends the run ends its relay.
process.on('disconnect', () => process.exit())
