/** A clock that starts at the present and stands still until it is told to go on. */
export function handClock(startMs = Date.now()) {
  let ms = 0
  return {
    now: () => startMs + ms,
    monotonic: () => ms,
    advance: (by: number) => {
      ms += by
    },
  }
}
