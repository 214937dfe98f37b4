import { connect } from 'posthorn'

const MESSAGE = 4700
const RECEIPT = 4701

/** All mail of a relay's log, read in log order: id to event. */
export async function mailAt(url) {
  const client = await connect(url)
  const mail = new Map()
  let since = 0
  let epoch
  try {
    for (let more = true; more; ) {
      const hints = await new Promise((resolve, reject) => {
        const position = since > 0 ? { since_seq: since, epoch } : { since_seq: 0 }
        const request = client.request([{ kinds: [MESSAGE, RECEIPT], ...position, limit: 500 }], {
          onSeq: (_, told) => {
            epoch = told
          },
          onEvent: event => mail.set(event.id, event),
          onEose(end) {
            request.close()
            resolve(end)
          },
          onClosed: why => reject(new Error(`${url}: ${why}`)),
        })
      })
      since = hints.seq
      more = hints.complete === 'more'
    }
  } finally {
    await client.close()
  }
  return mail
}

export const isMessage = event => event.kind === MESSAGE
