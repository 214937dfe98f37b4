/** What a handler takes: an act, of that act one schema, or topics. */
export type WorkOf = { readonly act: string; readonly schema?: string } | { readonly topics: readonly string[] }

/** The schemas of an act that have a handler of their own. */
export const schemasOf = (act: string, known: readonly WorkOf[]): string[] =>
  known.flatMap(query => ('act' in query && query.act === act && query.schema !== undefined ? [query.schema] : []))
