import type { RetentionRule } from '../../relay/index.ts'
import { UsageError } from '../errors.ts'

const UNITS = { d: 86_400, h: 3_600 } as const

/**
 * Reads one `--keep`: `[KINDS:]HOW-LONG`, where KINDS is like 1,4700 and HOW-LONG is `30d`, `12h`, a number of events, both with a comma
 * between, or `forever`. Of several the first that names an event's kind decides.
 */
export function parseKeep(text: string): RetentionRule {
  const [, kindList, limits] = /^(?:(\d{1,5}(?:,\d{1,5})*):)?([a-z\d,]+)$/.exec(text) ?? []
  const kinds = kindList?.split(',').map(Number)
  const rule: { -readonly [K in keyof RetentionRule]: RetentionRule[K] } = kinds === undefined ? {} : { kinds }
  if (limits === undefined || kinds?.some(kind => kind > 65_535) === true) throw wrong(text)
  if (limits === 'forever') return rule
  for (const limit of limits.split(',')) {
    const [, digits, unit] = /^(\d{1,9})([dh]?)$/.exec(limit) ?? []
    const amount = Number(digits)
    if (digits === undefined) throw wrong(text)
    if (unit === '' && rule.maxCount === undefined) rule.maxCount = amount
    else if ((unit === 'd' || unit === 'h') && rule.maxAgeS === undefined && amount > 0)
      rule.maxAgeS = amount * UNITS[unit]
    else throw wrong(text)
  }
  return rule
}

const wrong = (text: string): UsageError =>
  new UsageError(`--keep is like 30d, 1,7:12h, 4700:90d,100000 or 1059:forever; got ${JSON.stringify(text)}`)
