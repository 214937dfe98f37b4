/** Shared documents in pages: the `browser` condition of `posthorn/doc`. @module */
import type * as Y from 'yjs'
import { createOpenDoc } from './open-doc.ts'
import { Provider, type ProviderOptions } from './provider.ts'

export * from './exports.ts'
export const openDoc = createOpenDoc(undefined)

/** Fills a Y.Doc from a shared document, and shares what is done to it (see {@link Provider}). */
export class PosthornProvider extends Provider {
  constructor(doc: Y.Doc, options: ProviderOptions) {
    super(openDoc, doc, options)
  }
}
