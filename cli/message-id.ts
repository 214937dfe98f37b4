import { UsageError } from './errors.ts'

/** The shortest prefix of an id that is taken. */
const MIN_PREFIX = 8

/** A message id, or enough of its beginning. Throws UsageError. */
export function checkMessageId(id: string): string {
  if (!/^[0-9a-f]+$/.test(id) || id.length > 64)
    throw new UsageError(`${JSON.stringify(id)} is no message id; ids are hex`)
  if (id.length < MIN_PREFIX) throw new UsageError(`give at least the first ${MIN_PREFIX} characters of the id`)
  return id
}
