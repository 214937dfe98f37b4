import { isEpoch } from '../../protocol/cursor.ts'
import { type Filter, parseFilter } from '../../protocol/filter.ts'
import { parseJson } from '../../protocol/json.ts'
import type { Limits } from '../../protocol/limits.ts'
import { reason } from '../../protocol/reasons.ts'
import { fail, ok, type Result } from '../../protocol/result.ts'
import { type LogPageRequest, openLogPage } from '../log-request.ts'

/** What GET /sync asks for: a page of the log, and how many seconds to wait if there is nothing on it. */
export interface SyncQuery extends LogPageRequest {
  readonly filters: readonly Filter[]
  readonly wait: number
}

const PARAMETERS: ReadonlySet<string> = new Set(['since_seq', 'epoch', 'wait', 'filter'])

/** Reads the query of GET /sync; the error is a whole reason. What is not understood is refused, never passed over. */
export function parseSyncQuery(query: URLSearchParams, limits: Limits): Result<SyncQuery> {
  const invalid = (text: string) => fail(reason('invalid', text))
  for (const name of query.keys()) {
    if (!PARAMETERS.has(name))
      return fail(reason('unsupported', `/sync has no parameter ${JSON.stringify(name.slice(0, 32))}`))
    if (name !== 'filter' && query.getAll(name).length > 1) return invalid(`${name} is given more than once`)
  }
  const since_seq = readCount(query.get('since_seq'))
  if (since_seq === undefined) return invalid('since_seq is a whole number')
  const wait = readCount(query.get('wait'))
  if (wait === undefined || wait > limits.syncWait) return invalid(`wait is 0 to ${limits.syncWait} seconds`)
  const epoch = query.get('epoch') ?? undefined
  if (epoch !== undefined && !isEpoch(epoch)) return invalid('epoch is 16 lowercase hex characters')
  const values = readFilters(query.getAll('filter'))
  if (values === undefined) return invalid('filter is a JSON object, or an array of them')
  if (values.length > limits.filters) return invalid(`more than ${limits.filters} filters`)
  const filters: Filter[] = []
  for (const value of values) {
    const filter = parseFilter(value, limits)
    if (!filter.ok) return fail(reason(filter.error.prefix, filter.error.text))
    if (filter.value.since_seq !== undefined || filter.value.epoch !== undefined)
      return invalid('since_seq and epoch stand beside the filter, not in it')
    filters.push({ ...filter.value, since_seq, ...(epoch === undefined ? {} : { epoch }) })
  }
  const page = openLogPage(filters, limits.page)
  if (!page.ok) return invalid(page.error)
  return page.value === undefined ? invalid('filter is an empty list') : ok({ ...page.value, filters, wait })
}

/** A whole number; absent is 0. */
function readCount(text: string | null): number | undefined {
  if (text === null) return 0
  const value = Number(text)
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(value) ? value : undefined
}

/** Without a filter, everything. */
function readFilters(texts: readonly string[]): unknown[] | undefined {
  if (texts.length === 0) return [{}]
  const values: unknown[] = []
  for (const text of texts) {
    const json = parseJson(text)
    if (!json.ok) return undefined
    if (Array.isArray(json.value)) values.push(...json.value)
    else values.push(json.value)
  }
  return values
}
