import type { Command } from '../context.ts'
import { exitOfAct, withDocument } from '../document.ts'
import { escapeLine } from '../text.ts'

/** `posthorn doc compact <document>` */
export const docCompact: Command<'doc compact'> = context =>
  withDocument(context, { do: 'compact' }, ({ outcome, kept }) => {
    const { out } = context
    const before = outcome.before.bytes
    const { bytes } = kept.size()
    const { name, generation } = kept
    out.result(`${escapeLine(name)}: ${before} B before, ${bytes} B now`, { document: name, before, bytes, generation })
    return exitOfAct(context, outcome)
  })
