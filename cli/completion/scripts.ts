/**
 * One script a shell. All of them ask `posthorn completion words` what fits, so that there is one place that knows. Words come back
 * one per line, a tab before what they are; a line `:files` or `:folders` leaves it to the shell. What comes back is never
 * evaluated: names are quoted as the shell needs them.
 */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

const BASH = `# posthorn completion for bash 3.2 or later: source <(posthorn completion bash)
_posthorn() {
  local cur=\${COMP_WORDS[COMP_CWORD]} line word
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :files) compopt -o filenames 2>/dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur"); return ;;
      :folders) compopt -o filenames 2>/dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -d -- "$cur"); return ;;
    esac
    word=\${line%%$'\\t'*}
    [ -n "$word" ] && COMPREPLY+=("$(printf '%q' "$word")")
  done < <(posthorn completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _posthorn posthorn
`

const ZSH = `#compdef posthorn
# posthorn completion for zsh: a file named _posthorn in fpath, or source <(posthorn completion zsh)
_posthorn() {
  local line word help
  local -a shown values
  while IFS= read -r line; do
    case $line in
      :files) _files; return ;;
      :folders) _files -/; return ;;
    esac
    word=\${line%%$'\\t'*}
    help=\${line#*$'\\t'}
    [[ -n $word ]] || continue
    values+=("$word")
    if [[ -n $help && $help != "$line" ]]; then shown+=("$word  -- $help"); else shown+=("$word"); fi
  done < <(posthorn completion words -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)
  (( \${#values} )) && compadd -l -d shown -a values
}
if [ "\${funcstack[1]-}" = _posthorn ]; then _posthorn "$@"; else compdef _posthorn posthorn; fi
`

const FISH = `# posthorn completion for fish: ~/.config/fish/completions/posthorn.fish
function __posthorn_words
  set -l words (commandline -opc)
  set -e words[1]
  set -l found (posthorn completion words -- $words (commandline -ct) 2>/dev/null)
  switch "$found[1]"
    case ':files'
      __fish_complete_path (commandline -ct)
    case ':folders'
      __fish_complete_directories (commandline -ct) ''
    case '*'
      string join -- \\n $found
  end
end
complete -c posthorn -f -a '(__posthorn_words)'
`

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH }

export const isShell = (name: string): name is Shell => SHELLS.some(shell => shell === name)

export const scriptFor = (shell: Shell): string => SCRIPTS[shell]
