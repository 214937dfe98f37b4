import { execFileSync, spawnSync } from 'node:child_process'
import { delimiter } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { makeTempDir, removeDir } from '../../helpers/temp-dir.ts'
import { BIN_FOLDER, inPackage } from './user.ts'

// Dozens of processes one after the other: a busy machine is no failure.
vi.setConfig({ testTimeout: 120_000 })

// The scripts in the shells themselves. A shell that is not here is left out, and the test's name says which.

const has = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0
let folder: string
let env: Record<string, string>
beforeAll(async () => {
  folder = makeTempDir()
  env = { XDG_DATA_HOME: folder, HOME: folder, PATH: [BIN_FOLDER, process.env['PATH']].join(delimiter), TERM: 'dumb' }
  await inPackage(['init', '--as', 'bobby'], { env })
  await inPackage(['init', '--as', 'default'], { env })
})
afterAll(() => removeDir(folder))

const lines = (shell: string, args: readonly string[]): string[] =>
  execFileSync(shell, args, { env, encoding: 'utf8' })
    .split('\n')
    .filter(line => line !== '')

/** What each shell offers for a line that ends where the cursor is. */
const SHELLS: Readonly<Record<string, (line: string) => string[]>> = {
  bash: line =>
    lines('bash', [
      '--norc',
      '--noprofile',
      '-c',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
      'source <(posthorn completion bash); read -ra COMP_WORDS <<< "$1"; case "$1" in *" ") COMP_WORDS+=("") ;; esac; COMP_CWORD=$((${#COMP_WORDS[@]}-1)); complete -p posthorn >/dev/null && _posthorn; printf "%s\\n" "${COMPREPLY[@]}"',
      'bash',
      line,
    ]),
  zsh: line =>
    lines('zsh', [
      '-f',
      '-c',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
      'autoload -Uz compinit; compinit -D -u; source <(posthorn completion zsh); [[ ${_comps[posthorn]} = _posthorn ]] || exit 1; compadd() { print -rl -- ${(P)argv[-1]} }; words=("${(@s: :)1}"); CURRENT=${#words}; _posthorn; true',
      'zsh',
      line,
    ]),
  fish: line =>
    lines('fish', ['--no-config', '-c', 'posthorn completion fish | source; complete -C $argv[1]', line]).map(
      each => each.split('\t')[0] ?? '',
    ),
}

describe.each(Object.entries(SHELLS))('%s', (shell, offered) => {
  test.skipIf(!has(shell))(`loads the script and completes (left out where there is no ${shell})`, () => {
    expect(offered('posthorn sen')).toEqual(['send'])
    expect(offered('posthorn card ')).toEqual(expect.arrayContaining(['set', 'show', 'publish']))
    expect(offered('posthorn send --as bobby --wr')).toEqual(['--wrap'])
    expect(offered('posthorn send bo')).toEqual(['bobby'])
    expect(offered('posthorn relay --require-auth w')).toEqual(['write'])
    expect(offered('posthorn zzz')).toEqual([])
  })
})
