/** Shared documents in pages: the `browser` condition of `posthorn/doc`. @module */
import { createOpenDoc } from './open-doc.ts'

export * from './exports.ts'
export const openDoc = createOpenDoc(undefined)
