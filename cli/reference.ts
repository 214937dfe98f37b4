import { EXIT_CODES } from './exit-codes.ts'
import { exitRows, optionRows } from './help.ts'
import { COMMON, VERB_GROUPS, type VerbSpec } from './verbs/index.ts'

/** docs/cli.md, from the table that drives parsing, help and completion. A test keeps the file true. */
export function referencePage(): string {
  return `${[
    '# The command line',
    'Made from the table in `cli/verbs/`, which also drives parsing, `posthorn help` and completion.',
    'Results go to stdout, everything said to people to stderr. With `--json` there is one object, or one per line, each with `"v":1`; `posthorn help <verb> --json` gives the table and the JSON Schema of what the verb prints. Text of others is data: control characters, bidirectional overrides and terminal sequences in it are shown, never sent to the terminal.',
    '## For every verb',
    optionTable(COMMON),
    'The profile is chosen by `--as NAME`, `--home DIR` or `POSTHORN_HOME`; `--relay URL` overrides the relays it remembers. Every question to a relay has a time limit (`--timeout`). `NO_COLOR` is respected, and so are `XDG_DATA_HOME` and `TERM=dumb`. `POSTHORN_DEBUG=1` adds stack traces to errors. `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured (small letters too; HTTP proxies with CONNECT), but not for this machine itself; `doctor` names the proxy of each relay.',
    '## Exit codes',
    table(
      ['code', 'meaning'],
      Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning]),
    ),
    ...VERB_GROUPS.flatMap(([title, verbs]) => [
      `## ${title}`,
      ...Object.entries(verbs).flatMap(([verb, spec]) => sectionOf(verb, spec)),
    ]),
  ].join('\n\n')}\n`
}

function sectionOf(verb: string, spec: VerbSpec): string[] {
  const operands = spec.operands === '' ? '' : ` ${spec.operands}`
  return [
    `### posthorn ${verb}`,
    `${code(`posthorn ${verb}${operands}`)}: ${spec.summary}.`,
    spec.examples.map(([command, what]) => `- ${code(command)}${what === '' ? '' : `: ${what}`}`).join('\n'),
    ...(Object.keys(spec.options).length === 0 ? [] : [optionTable(spec.options)]),
    ...(spec.exits === undefined ? [] : [table(['exit code', 'here'], exitRows(spec.exits))]),
    ...(spec.notes ?? []),
  ]
}

const optionTable = (options: VerbSpec['options']): string =>
  table(
    ['option', 'what'],
    optionRows(options).map(([option, help]) => [code(option), help]),
  )

const table = (head: readonly [string, string], rows: readonly (readonly [string, string])[]): string =>
  [`| ${head.join(' | ')} |`, '|---|---|', ...rows.map(([left, right]) => `| ${cell(left)} | ${cell(right)} |`)].join(
    '\n',
  )

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** Inline code, also of text that has backticks. */
const code = (text: string): string => (text.includes('`') ? `\`\` ${text} \`\`` : `\`${text}\``)
