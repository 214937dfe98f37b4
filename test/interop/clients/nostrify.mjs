import { NRelay1 } from '@nostrify/nostrify'
import { filter, onEose, onEvent, queried, url } from './harness.mjs'

const relay = new NRelay1(url)
queried(await relay.query([filter]))
const controller = new AbortController()
try {
  for await (const [type, , event] of relay.req([filter], { signal: controller.signal })) {
    if (type === 'EOSE') onEose()
    if (type === 'EVENT') onEvent(event, () => controller.abort())
  }
} catch (error) {
  if (!controller.signal.aborted) throw error
}
await relay.close()
