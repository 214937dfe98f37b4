/** Shared documents: Y.Docs that agents and people edit together through relays. @module */
import { createOpenDoc } from './open-doc.ts'
import { threadTrial } from './trial-node.ts'

export * from './exports.ts'
export const openDoc = createOpenDoc(threadTrial)
