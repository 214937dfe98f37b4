import type { CheckReport } from '../../relay/tools.ts'
import type { Command } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import { relayFolder } from '../relay-folder.ts'
import { runRelayTool } from '../relay-tool/index.ts'
import { escapeText, plural } from '../text.ts'

/** Rows and problems that people are shown; `--json` has all of them. */
const SHOWN = 50

/** `posthorn relay check`: is the log what was stored? Exit 6 if not. */
export const relayCheck: Command<'relay check'> = async context => {
  const { options, operands, out, env } = context
  const [file] = operands
  const where = file === undefined ? { folder: relayFolder(options.data, env) } : { file }
  const report = await runRelayTool({ tool: 'check', ...where, deep: options.deep }, context)
  return report === undefined ? EXIT.interrupted : tellReport(out, report)
}

/** Says what a check found. */
export function tellReport(out: Output, report: CheckReport): ExitCode {
  const { ok, events, removals, last, damaged, problems } = report
  const lines = [
    ok
      ? `sound: ${events} events, ${removals} removals, up to seq ${last}`
      : `damaged: ${damaged.length} of ${plural(events, 'row')}, ${plural(problems.length, 'problem')} of the file`,
    ...damaged
      .slice(0, SHOWN)
      .map(({ seq, id, what }) => `  seq ${seq ?? '?'}  ${escapeText(id ?? '?')}  ${escapeText(what)}`),
    ...problems.slice(0, SHOWN).map(text => `  ${escapeText(text)}`),
  ]
  const hidden = Math.max(0, damaged.length - SHOWN) + Math.max(0, problems.length - SHOWN)
  if (hidden > 0) lines.push(`  … and ${hidden} more (--json lists all)`)
  out.result(lines.join('\n'), { ok, events, removals, last, damaged, problems })
  return ok ? EXIT.ok : EXIT.integrity
}
