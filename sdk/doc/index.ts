/** Shared documents: Y.Docs that agents and people edit together through relays. @module */
import type * as Y from 'yjs'
import { createOpenDoc } from './open-doc.ts'
import { Provider, type ProviderOptions } from './provider.ts'
import { threadTrial } from './trial-node.ts'

export * from './exports.ts'
export const openDoc = createOpenDoc(threadTrial)

/** Fills a Y.Doc from a shared document, and shares what is done to it (see {@link Provider}). */
export class PosthornProvider extends Provider {
  constructor(doc: Y.Doc, options: ProviderOptions) {
    super(openDoc, doc, options)
  }
}
