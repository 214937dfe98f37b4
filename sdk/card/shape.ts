import { isRecord, MAX_DEPTH, own, parseJson, plainJson } from '../../protocol/json.ts'
import { fail, ok, type Result } from '../../protocol/result.ts'

/** One thing an agent can do; A2A 1.0 `AgentSkill`. */
export interface CardSkill {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly tags: readonly string[]
  readonly examples?: readonly string[]
  readonly inputModes?: readonly string[]
  readonly outputModes?: readonly string[]
}

/** Where and how an agent is spoken to; A2A 1.0 `AgentInterface`. */
export interface CardInterface {
  readonly url: string
  readonly protocolBinding: string
  readonly protocolVersion: string
  readonly tenant?: string
}

/** The fields of A2A 1.0's `AgentCard` that we read; its JSON names. */
export interface AgentCard {
  readonly name: string
  readonly description: string
  readonly version: string
  readonly supportedInterfaces: readonly CardInterface[]
  readonly capabilities: Readonly<Record<string, unknown>>
  readonly defaultInputModes: readonly string[]
  readonly defaultOutputModes: readonly string[]
  readonly skills: readonly CardSkill[]
  readonly provider?: { readonly organization: string; readonly url: string }
  readonly documentationUrl?: string
  readonly iconUrl?: string
}

/** Version of the field set (`v` tag): that of A2A. */
export const CARD_VERSION = '1.0'
export const MAX_CARD_BYTES = 32_768
const MAX_TEXT = 4_096
const MAX_LIST = 64

class Malformed extends Error {}

/** A card from JSON text: our own object of exactly the known fields, frozen. Says what is wrong otherwise. */
export function parseCard(text: string): Result<AgentCard> {
  if (text.length > MAX_CARD_BYTES) return fail(`a card has at most ${MAX_CARD_BYTES} bytes`)
  const json = parseJson(text)
  const value = json.ok ? plainJson(json.value) : undefined
  if (!isRecord(value)) return fail(`a card is a JSON object, nested at most ${MAX_DEPTH} deep`)
  try {
    return ok(cardOf(value))
  } catch (error) {
    if (error instanceof Malformed) return fail(error.message)
    throw error
  }
}

type Json = Record<string, unknown>

function cardOf(value: Json): AgentCard {
  const capabilities = own(value, 'capabilities')
  if (!isRecord(capabilities)) throw new Malformed('capabilities is an object')
  const provider = own(value, 'provider')
  if (provider !== undefined && !isRecord(provider)) throw new Malformed('provider is an object')
  return Object.freeze({
    name: text(value, 'name'),
    description: text(value, 'description'),
    version: text(value, 'version'),
    supportedInterfaces: list(value, 'supportedInterfaces', each =>
      Object.freeze({
        url: text(each, 'url'),
        protocolBinding: text(each, 'protocolBinding'),
        protocolVersion: text(each, 'protocolVersion'),
        ...optional(each, 'tenant'),
      }),
    ),
    capabilities: Object.freeze({ ...capabilities }),
    defaultInputModes: texts(value, 'defaultInputModes'),
    defaultOutputModes: texts(value, 'defaultOutputModes'),
    skills: list(value, 'skills', each =>
      Object.freeze({
        id: text(each, 'id'),
        name: text(each, 'name'),
        description: text(each, 'description'),
        tags: texts(each, 'tags'),
        ...optionalTexts(each, 'examples'),
        ...optionalTexts(each, 'inputModes'),
        ...optionalTexts(each, 'outputModes'),
      }),
    ),
    ...(provider === undefined
      ? {}
      : { provider: Object.freeze({ organization: text(provider, 'organization'), url: text(provider, 'url') }) }),
    ...optional(value, 'documentationUrl'),
    ...optional(value, 'iconUrl'),
  })
}

function text(record: Json, name: string): string {
  const value = own(record, name)
  if (typeof value !== 'string' || value.length > MAX_TEXT || !value.isWellFormed())
    throw new Malformed(`${name} is text of at most ${MAX_TEXT} characters`)
  return value
}

const optional = (record: Json, name: string) => (own(record, name) === undefined ? {} : { [name]: text(record, name) })
const optionalTexts = (record: Json, name: string) =>
  own(record, name) === undefined ? {} : { [name]: texts(record, name) }

function array(record: Json, name: string): readonly unknown[] {
  const value = own(record, name)
  if (!Array.isArray(value) || value.length > MAX_LIST) throw new Malformed(`${name} is a list of at most ${MAX_LIST}`)
  return value
}

const texts = (record: Json, name: string): readonly string[] =>
  Object.freeze(array(record, name).map(value => text({ [name]: value }, name)))

const list = <T>(record: Json, name: string, read: (each: Json) => T): readonly T[] =>
  Object.freeze(
    array(record, name).map(each => {
      if (!isRecord(each)) throw new Malformed(`${name} is a list of objects`)
      return read(each)
    }),
  )
