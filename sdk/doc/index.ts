/** Shared documents: Y.Docs that agents and people edit together through relays. @module */
import type * as Y from 'yjs'
import type { Agent } from '../api.ts'
import { type DocBeside, docThrough } from './beside.ts'
import { createOpenDoc } from './open-doc.ts'
import { obeyDocOrder } from './orders.ts'
import { Provider, type ProviderOptions } from './provider.ts'
import { threadTrial } from './trial-node.ts'

export type { DocAct, DocOutcome } from './acts.ts'
export { type DocBeside, docBeside } from './beside.ts'
export * from './exports.ts'
export type { KeptDoc } from './read-kept.ts'
export const openDoc = createOpenDoc(threadTrial)
/** What the agent of a home is told to do about a document by another program of it. @internal */
export const obeyOrder = (agent: Agent, order: unknown): Promise<void> => obeyDocOrder(openDoc, agent, order)
/** A document by way of an agent that has it open only for as long as something is asked. @internal */
export const docWith = (agent: Agent, id: string): DocBeside => docThrough(openDoc, agent, id)

/** Fills a Y.Doc from a shared document, and shares what is done to it (see {@link Provider}). */
export class PosthornProvider extends Provider {
  constructor(doc: Y.Doc, options: ProviderOptions) {
    super(openDoc, doc, options)
  }
}
