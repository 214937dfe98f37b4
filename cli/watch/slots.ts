/** At most so many at a time, first come first served; across all acts, while a handler's concurrency is that of one. */
export function createSlots(size: number): (signal: AbortSignal) => Promise<() => void> {
  let free = size
  const waiting: (() => void)[] = []
  const release = () => {
    const next = waiting.shift()
    if (next === undefined) free += 1
    else next()
  }
  const once = (run: () => void) => {
    let done = false
    return () => {
      if (done) return
      done = true
      run()
    }
  }
  return signal =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason)
      if (free > 0) {
        free -= 1
        return resolve(once(release))
      }
      const take = () => {
        signal.removeEventListener('abort', leave)
        resolve(once(release))
      }
      const leave = () => {
        waiting.splice(waiting.indexOf(take), 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', leave, { once: true })
      waiting.push(take)
    })
}
