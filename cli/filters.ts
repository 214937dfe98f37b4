import type { FilterJson } from '../protocol/index.ts'
import { isRecord, parseJson } from '../protocol/json.ts'
import { UsageError } from './errors.ts'

/** Filters as typed on the command line. Only their outer shape is checked here: what a field means is the relay's to say. */
export const parseFilters = (operands: readonly string[]): FilterJson[] =>
  operands.map(text => {
    const json = parseJson(text)
    if (!json.ok)
      throw new UsageError(
        `this filter is not JSON: ${text}`,
        `a filter looks like '{"kinds":[1],"limit":10}', in single quotes`,
      )
    if (!isRecord(json.value)) throw new UsageError(`a filter is a JSON object, not ${text}`)
    return json.value as FilterJson
  })
