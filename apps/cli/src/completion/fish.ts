import type { NamedOption, Place } from './words.ts'

/** In single quotes, where fish interprets only \\ and \'. */
const quoted = (text: string): string => `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`

function optionLine(path: string, option: NamedOption): string {
  const { long, short, summary, takesValue, choices, takesFile } = option
  return [
    `complete -c strongroom -n "__strongroom_at '${path}'" -l ${long.slice(2)}`,
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...(takesValue ? [takesFile ? '-r -F' : '-x'] : []),
    ...(choices.length === 0 ? [] : [`-a ${quoted(choices.join(' '))}`]),
    `-d ${quoted(summary)}`,
  ].join(' ')
}

/** For `strongroom completion fish | source`. @param program that lists existing names */
export function fishCompletion(places: readonly Place[], program: string): string[] {
  const paths = places.map(({ path }) => path).filter((path) => path !== '')
  return [
    `set -g __strongroom_paths ${paths.map(quoted).join(' ')}`,
    'function __strongroom_at',
    '  set -l path',
    '  for word in (commandline -opc)[2..]',
    '    contains -- (string join -- " " $path $word) $__strongroom_paths; and set -a path $word',
    '  end',
    '  test (string join -- " " "" $path) = (string join -- " " "" (string split -n -- " " $argv[1]))',
    'end',
    'complete -c strongroom -f',
    ...places.flatMap(({ path, words, options, takesFile, names }) => [
      ...words.map(
        ({ word, summary }) =>
          `complete -c strongroom -n "__strongroom_at '${path}'" -a ${quoted(word)} -d ${quoted(summary)}`,
      ),
      ...options.map((option) => optionLine(path, option)),
      ...(takesFile ? [`complete -c strongroom -n "__strongroom_at '${path}'" -F`] : []),
      ...(names === undefined
        ? []
        : [
            `complete -c strongroom -n "__strongroom_at '${path}'" -a ` +
              quoted(`(${quoted(program)} completion names ${names} 2>/dev/null)`),
          ]),
    ]),
  ]
}
