/** JSON Schema (2020-12), as much of it as outputs need. */
export type Schema = { readonly [keyword: string]: unknown }

type Fields = Readonly<Record<string, Schema>>

export const text: Schema = { type: 'string' }
export const flag: Schema = { type: 'boolean' }
export const count: Schema = { type: 'integer', minimum: 0 }
export const amount: Schema = { type: 'number', minimum: 0 }
export const hex64: Schema = { type: 'string', pattern: '^[0-9a-f]{64}$' }
export const hex16: Schema = { type: 'string', pattern: '^[0-9a-f]{16}$' }
export const npub: Schema = { type: 'string', pattern: '^npub1[a-z0-9]{58}$' }
/** Seconds since 1970. */
export const time: Schema = { type: 'integer' }
export const anything: Schema = {}

export const words = (...values: readonly string[]): Schema => ({ enum: values })
export const list = (items: Schema): Schema => ({ type: 'array', items })
export const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] })
export const either = (...schemas: readonly Schema[]): Schema => ({ anyOf: schemas })
export const mapOf = (values: Schema): Schema => ({ type: 'object', additionalProperties: values })

/** Exactly these fields: what is not named here is not part of the output. */
export const object = (required: Fields, optional: Fields = {}): Schema => ({
  type: 'object',
  required: Object.keys(required),
  properties: { ...required, ...optional },
  additionalProperties: false,
})

/** One line of output: an object with its version. */
export const line = (required: Fields, optional: Fields = {}): Schema =>
  object({ v: { const: 1 }, ...required }, optional)
