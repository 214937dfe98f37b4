// Asking: one REQ after another on each connection, answers counted, not decoded.

import { toFrame } from './client.mjs'
import { createSamples } from './samples.mjs'

const ANSWER_MS = 30_000

/** One REQ, decoded: `{ events, hints, ms }`. For checking answers, and for queries made once. */
export function askOnce(client, filter, sub = 'once') {
  return new Promise((resolve, reject) => {
    const events = []
    const started = performance.now()
    const timer = setTimeout(() => finish(() => reject(new Error('no EOSE in 30 s'))), ANSWER_MS)
    const finish = settle => {
      clearTimeout(timer)
      client.on = {}
      settle()
    }
    client.on = {
      event: (buffer, start, end) => events.push(JSON.parse(buffer.toString('utf8', start, end))[2]),
      eose(text) {
        const ms = performance.now() - started
        finish(() => {
          client.send(toFrame(['CLOSE', sub]))
          resolve({ events, hints: JSON.parse(text)[2] ?? [], ms })
        })
      },
      refused: text => finish(() => reject(new Error(text))),
      lost: reason => finish(() => reject(new Error(`connection lost: ${reason}`))),
    }
    client.send(toFrame(['REQ', sub, filter]))
  })
}

/** For `ms`, every connection asks the filters in turn, the next one as soon as the last was answered. */
export function askClosed(clients, filters, ms) {
  const again = filters.map(filter => Buffer.concat([toFrame(['CLOSE', 'q']), toFrame(['REQ', 'q', filter])]))
  const latency = createSamples()
  let events = 0
  let queries = 0
  const until = performance.now() + ms

  const run = (client, offset) =>
    new Promise((resolve, reject) => {
      let turn = offset
      let asked = 0
      let timer
      const finish = settle => {
        clearInterval(timer)
        client.on = {}
        settle()
      }
      const ask = () => {
        asked = performance.now()
        client.send(again[turn++ % again.length])
      }
      timer = setInterval(() => {
        if (performance.now() - asked > ANSWER_MS) finish(() => reject(new Error('no EOSE in 30 s')))
      }, 1_000)
      client.on = {
        event: () => {
          events += 1
        },
        eose() {
          const now = performance.now()
          latency.add(now - asked)
          queries += 1
          if (now < until) ask()
          else
            finish(() => {
              client.send(toFrame(['CLOSE', 'q']))
              resolve()
            })
        },
        // A relay that answers a REQ once may say CLOSED behind its EOSE; that is no refusal.
        refused(text) {
          if (queries === 0) finish(() => reject(new Error(text)))
        },
        lost: reason => finish(() => reject(new Error(`connection lost: ${reason}`))),
      }
      ask()
    })
  return Promise.all(clients.map((client, n) => run(client, n))).then(() => ({ events, queries, latency }))
}
