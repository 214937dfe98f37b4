import { committed, openDatabase, resultOf, writing } from './idb.ts'

const PROFILES = 'profiles'
const VERSION = 1

/** One profile of this origin. */
export interface BrowserProfile {
  readonly name: string
  /** 64 hex. */
  readonly pubkey: string
  readonly relays: readonly string[]
  readonly discovery?: readonly string[]
  /** 32 bytes; absent if the page brings the key at every start. Any script of the origin can read it. */
  readonly secretKey?: Uint8Array
}

/** The profiles of this origin, in the IndexedDB database `posthorn`. */
export interface BrowserProfiles {
  get(name: string): Promise<BrowserProfile | undefined>
  /** By name. */
  list(): Promise<BrowserProfile[]>
  /** Resolves when it is kept. */
  put(profile: BrowserProfile): Promise<void>
  close(): void
}

export async function openProfiles(factory: IDBFactory | undefined, onGone?: () => void): Promise<BrowserProfiles> {
  const db = await openDatabase(factory, 'posthorn', VERSION, PROFILES, {
    parameters: { keyPath: 'name' },
    ...(onGone ? { onGone } : {}),
  })
  const read = () => db.transaction(PROFILES).objectStore(PROFILES)
  return {
    get: name => resultOf<BrowserProfile | undefined>(read().get(name)),
    list: () => resultOf<BrowserProfile[]>(read().getAll()),
    put(profile) {
      const transaction = writing(db, PROFILES)
      transaction.objectStore(PROFILES).put(profile)
      return committed(transaction)
    },
    close: () => db.close(),
  }
}
