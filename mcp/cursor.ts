import { isCount, parseJson } from '../protocol/json.ts'
import { ToolError } from './tool-error.ts'

/** A place in the order of arrival of one identity's mail, as text that says nothing to its bearer. */
export const encodeCursor = (pubkey: string, arrival: number): string =>
  Buffer.from(JSON.stringify([1, pubkey.slice(0, OWNER_CHARS), arrival])).toString('base64url')

/** Throws ToolError `cursor-unknown` for anything that this identity was not given. */
export function decodeCursor(text: string, pubkey: string, newest: number): number {
  const json = parseJson(Buffer.from(text, 'base64url').toString('utf8'))
  const parts: unknown = json.ok ? json.value : undefined
  if (Array.isArray(parts) && parts.length === 3) {
    const [version, owner, arrival] = parts
    // A place ahead of everything that came: the home was restored from a backup.
    if (version === 1 && owner === pubkey.slice(0, OWNER_CHARS) && isCount(arrival) && arrival <= newest) return arrival
  }
  throw new ToolError(
    'cursor-unknown',
    'This cursor is not one of this inbox. Call check_inbox again without a cursor.',
  )
}

const OWNER_CHARS = 16
