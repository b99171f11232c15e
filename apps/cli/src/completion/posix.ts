import type { Place } from './words.ts'

/** In single quotes, for bash and zsh. */
const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

const words = ({ words: next, options }: Place): string =>
  [...next.map(({ word }) => word), ...options.map(({ long }) => long)].join(' ')

/** Associative arrays: what may follow each path, each option's values, where files are accepted, and where names of what exists. */
function tables(places: readonly Place[]): string[] {
  const values = places.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .flatMap(({ long, short, choices, takesFile }) =>
        [long, ...(short === undefined ? [] : [short])].map((name) => ({ key: `${path} ${name}`, choices, takesFile })),
      ),
  )
  return [
    `local -A next=(${places.map((each) => `[${quoted(` ${each.path}`)}]=${quoted(words(each))}`).join(' ')})`,
    `local -A values=(${values.map(({ key, choices }) => `[${quoted(key)}]=${quoted(choices.join(' '))}`).join(' ')})`,
    `local files=${quoted(
      `|${[
        ...places.filter(({ takesFile }) => takesFile).map(({ path }) => path),
        ...values.filter(({ takesFile }) => takesFile).map(({ key }) => key),
      ].join('|')}|`,
    )}`,
    `local -A kinds=(${places.flatMap(({ path, names }) => (names === undefined ? [] : [`[${quoted(` ${path}`)}]=${names}`])).join(' ')})`,
  ]
}

/**
 * For `eval "$(strongroom completion bash)"`. `compgen -W` would run commands in names.
 * @param program that lists existing names
 */
export function bashCompletion(places: readonly Place[], program: string): string[] {
  return [
    '_strongroom() {',
    ...tables(places).map((line) => `  ${line}`),
    '  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path="" word',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    [[ -v next[" ${path:+$path }$word"] ]] && path="${path:+$path }$word"',
    '  done',
    '  COMPREPLY=()',
    '  if [[ -v values["$path $before"] ]]; then',
    '    [[ $files == *"|$path $before|"* ]] && mapfile -t COMPREPLY < <(compgen -f -- "$current")',
    '    [[ ${values["$path $before"]} ]] && mapfile -t COMPREPLY < <(compgen -W "${values["$path $before"]}" -- "$current")',
    '    return',
    '  fi',
    '  mapfile -t COMPREPLY < <(compgen -W "${next[" $path"]}" -- "$current")',
    '  [[ $current != -* && $files == *"|$path|"* ]] && mapfile -t COMPREPLY < <(compgen -f -- "$current")',
    '  if [[ $current != -* && ${kinds[" $path"]} ]]; then',
    '    [[ $files == *"|$path|"* ]] || COMPREPLY=()',
    '    while read -r word; do [[ $word == "$current"* ]] && COMPREPLY+=("$word"); done \\',
    `      < <(${quoted(program)} completion names "\${kinds[" $path"]}" 2>/dev/null)`,
    '  fi',
    '}',
    'complete -o filenames -F _strongroom strongroom',
  ]
}

/**
 * For `eval "$(strongroom completion zsh)"`, after compinit. In zsh a quotation mark is part of a subscript.
 * @param program that lists existing names
 */
export function zshCompletion(places: readonly Place[], program: string): string[] {
  return [
    '_strongroom() {',
    ...tables(places).map((line) => `  ${line}`),
    '  local current=${words[CURRENT]} route="" key word',
    '  for word in "${(@)words[2,CURRENT-1]}"; do',
    '    key=" ${route:+$route }$word"',
    '    (( ${+next[$key]} )) && route=${key# }',
    '  done',
    '  key="$route ${words[CURRENT-1]}"',
    '  if (( ${+values[$key]} )); then',
    '    [[ $files == *"|$key|"* ]] && _files',
    '    compadd -- ${=values[$key]}',
    '    return',
    '  fi',
    '  [[ $current != -* && $files == *"|$route|"* ]] && _files',
    '  key=" $route"',
    '  if [[ $current != -* ]] && (( ${+kinds[$key]} )); then',
    `    compadd -- \${(f)"$(${quoted(program)} completion names \${kinds[$key]} 2>/dev/null)"}`,
    '    return',
    '  fi',
    '  compadd -- ${=next[$key]}',
    '}',
    'compdef _strongroom strongroom',
  ]
}
