/**
 * Resolves in a later turn of the host's event loop: every promise that could go on without the outside has gone on by then. In a page
 * by a message, not by a timer: timers of a hidden tab fire once a second, and catching up would take hours.
 */
export const nextTurn = (): Promise<void> =>
  new Promise(resolve => {
    if (typeof setImmediate === 'function') return void setImmediate(resolve)
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
