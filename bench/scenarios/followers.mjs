import { eventIdAt, openClient, toFrame } from '../load/client.mjs'

const BATCH = 100

/** Opens `count` connections with one live subscription to a topic each; resolves when every one is at its EOSE. */
export async function openFollowers(url, count, topic) {
  const followers = []
  while (followers.length < count) {
    const size = Math.min(BATCH, count - followers.length)
    followers.push(...(await Promise.all(Array.from({ length: size }, () => follow(url, topic)))))
  }
  return followers
}

async function follow(url, topic) {
  const client = await openClient(url)
  await new Promise((resolve, reject) => {
    client.on = {
      eose: () => resolve(),
      refused: text => reject(new Error(text)),
      lost: reason => reject(new Error(reason)),
    }
    client.send(toFrame(['REQ', 'live', { '#t': [topic], limit: 1 }]))
  })
  client.on = {}
  return client
}

/** Resolves when `expected` messages have come in all. `onEvent(id)` is called for each if given. */
export function awaitDeliveries(followers, expected, { idleMs, onEvent }) {
  return new Promise((resolve, reject) => {
    let count = 0
    let last = performance.now()
    const settle = action => {
      clearInterval(timer)
      for (const follower of followers) follower.on = {}
      action()
    }
    const timer = setInterval(() => {
      if (performance.now() - last > idleMs) settle(() => resolve(count))
    }, 100)
    for (const follower of followers)
      follower.on = {
        event(buffer, start) {
          count += 1
          last = performance.now()
          onEvent?.(eventIdAt(buffer, start), last)
          if (count === expected) settle(() => resolve(count))
        },
        lost: reason => settle(() => reject(new Error(`a subscriber was lost: ${reason}`))),
      }
  })
}
