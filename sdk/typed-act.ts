import { jsonOf } from './body.ts'
import { NotUnderstoodError } from './errors.ts'

/** What of a Standard Schema (version 1, standardschema.dev) is used here: Zod, Valibot, ArkType and others have it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** A performative with a JSON body of known shape, in and out. `Sent` and `Returned` are what programs write, the others what they read. */
export interface TypedAct<Sent, Received, Returned, Answered> {
  readonly act: string
  /** Names both shapes on the wire, like `acme/sum@1`. */
  readonly schema: string
  readonly in: StandardSchema<Sent, Received>
  readonly out: StandardSchema<Returned, Answered>
}

/** Defines a typed act, to be shared by those who ask and those who handle. */
export function act<Sent, Received, Returned, Answered>(
  name: string,
  schema: string,
  shapes: { readonly in: StandardSchema<Sent, Received>; readonly out: StandardSchema<Returned, Answered> },
): TypedAct<Sent, Received, Returned, Answered> {
  return Object.freeze({ act: name, schema, in: shapes.in, out: shapes.out })
}

export const isTypedAct = (value: unknown): value is TypedAct<unknown, unknown, unknown, unknown> =>
  typeof value === 'object' && value !== null && 'schema' in value && 'act' in value && 'in' in value && 'out' in value

const MAX_ISSUES = 10

/** The value as the schema has it. Throws {@link NotUnderstoodError} with the issues. */
export async function conforming<Output>(
  schema: StandardSchema<unknown, Output>,
  value: unknown,
  what: string,
  isOwn: boolean,
): Promise<Output> {
  const result = await schema['~standard'].validate(value)
  if (!result.issues) return result.value
  const issues = result.issues.slice(0, MAX_ISSUES).map(({ path = [], message }) => {
    const place = path.map(step => String(typeof step === 'object' ? step.key : step)).join('.')
    return place ? `${place}: ${message}` : message
  })
  throw new NotUnderstoodError(what, issues, isOwn)
}

/** The body of a received message as the schema has it. Throws {@link NotUnderstoodError}. */
export const receivedBody = <Output>(
  schema: StandardSchema<unknown, Output>,
  message: { readonly text: string; readonly contentType?: string },
  what: string,
): Promise<Output> => conforming(schema, jsonOf(message), what, false)
