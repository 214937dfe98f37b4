/** A loop that runs while there is work, one run at a time; see {@link createWorkLoop}. */
export interface WorkLoop {
  /** There is work: starts the loop unless it is running, in which case the running one sees it. */
  wake(): void
  /** Resolves when the loop is at rest. */
  idle(): Promise<void>
}

/**
 * `step` does some work and resolves to whether there may be more. Being awake ends in the same turn as the last look for
 * work, so that a `wake` in between two promises is never lost. `step` must not reject; what it throws goes to `onError`.
 */
export function createWorkLoop(step: () => Promise<boolean>, onError: (error: unknown) => void): WorkLoop {
  let running: Promise<void> | undefined
  let woken = false

  async function run(): Promise<void> {
    for (;;) {
      woken = false
      let more = false
      try {
        more = await step()
      } catch (error) {
        onError(error)
      }
      if (more || woken) continue
      running = undefined
      return
    }
  }

  return {
    wake() {
      woken = true
      // A microtask later, so that everything that arrives in one turn is one batch.
      running ??= Promise.resolve().then(run)
    },
    async idle() {
      while (running !== undefined) await running
    },
  }
}
