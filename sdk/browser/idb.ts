import { UnsupportedHostError } from '../errors.ts'

/** The result of one IndexedDB request. */
export function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Resolves once the transaction is committed. */
export function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onerror = () => reject(transaction.error)
    transaction.onabort = () => reject(transaction.error ?? new Error('the transaction was aborted'))
  })
}

/** A write that is on the disk once it is committed, as far as the browser can tell. */
export const writing = (db: IDBDatabase, store: string): IDBTransaction =>
  db.transaction(store, 'readwrite', { durability: 'strict' })

/** Opens a database with one object store. Throws {@link UnsupportedHostError} where there is none to be had. */
export async function openDatabase(
  factory: IDBFactory | undefined,
  name: string,
  version: number,
  store: string,
  { parameters, onGone }: { readonly parameters?: IDBObjectStoreParameters; readonly onGone?: () => void } = {},
): Promise<IDBDatabase> {
  if (!factory)
    throw new UnsupportedHostError(
      'there is no IndexedDB here; give host.store and host.secretKey, or use another host.',
    )
  const request = factory.open(name, version)
  request.onupgradeneeded = () => {
    if (!request.result.objectStoreNames.contains(store)) request.result.createObjectStore(store, parameters)
  }
  try {
    const db = await resultOf(request)
    // A newer version of this program, or the user clearing this site's data, must not wait for us.
    db.onversionchange = ({ newVersion }) => {
      db.close()
      if (newVersion === null) onGone?.()
    }
    // Closed by the browser itself: cleared, evicted, or its disk is gone.
    db.onclose = () => onGone?.()
    return db
  } catch (cause) {
    const newer = cause instanceof Error && cause.name === 'VersionError'
    throw new UnsupportedHostError(
      newer
        ? `${name} was written by a newer version of posthorn; reload the page to get that one.`
        : `the browser does not give access to its storage (${String(cause)}); allow this site to keep data.`,
      { cause },
    )
  }
}
