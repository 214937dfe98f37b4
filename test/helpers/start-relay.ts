import { createRelay, type Relay, type RelayOptions } from 'posthorn/relay'
import { sharedVerifier } from './shared-verifier.ts'
import { makeTempDir, removeDir } from './temp-dir.ts'

/** A real relay on a free port over a SQLite log in its own folder. `await using` stops it and removes the folder. */
export interface RunningRelay extends AsyncDisposable {
  readonly url: string
  /** The same address for HTTP. */
  readonly httpUrl: string
  readonly data: string
  readonly relay: Relay
  /** Stops it gracefully and starts it on the same port and folder: a new run, a new epoch. */
  restart(): Promise<void>
}

export async function startRelay(options: Omit<RelayOptions, 'data' | 'store'> = {}): Promise<RunningRelay> {
  const data = makeTempDir()
  const start = async (port: number) => {
    const relay = await createRelay({ verifier: await sharedVerifier(), ...options, data })
    return { relay, url: await relay.listen({ port }) }
  }
  let running = await start(0)
  return {
    data,
    get url() {
      return running.url
    },
    get httpUrl() {
      return running.url.replace(/^ws/, 'http')
    },
    get relay() {
      return running.relay
    },
    async restart() {
      const port = Number(new URL(running.url).port)
      await running.relay.close()
      running = await start(port)
    },
    async [Symbol.asyncDispose]() {
      await running.relay.close()
      removeDir(data)
    },
  }
}
