/** Beside the databases, which a browser may drop alone: that a profile of this name was kept here, and whose it was. */
const keyOf = (name: string): string => `posthorn/profile/${name}`

/** The public key, 64 hex; undefined where nothing is known, as in a worker, which has no localStorage. */
export function markedKey(name: string): string | undefined {
  try {
    return globalThis.localStorage?.getItem(keyOf(name)) ?? undefined
  } catch {
    // Forbidden for this page.
    return undefined
  }
}

export function markProfile(name: string, pubkey: string): void {
  try {
    globalThis.localStorage?.setItem(keyOf(name), pubkey)
  } catch {
    // Forbidden, or full: then a lost profile is not noticed.
  }
}
