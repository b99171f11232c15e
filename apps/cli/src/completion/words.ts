import { optionsOf, type Command, type NamedKind, type Option } from '../core/command.ts'
import { groupSummary } from '../core/group.ts'

/** What may follow a command path. */
export interface Place {
  /** For example `vm list`; empty after the program's name. */
  path: string
  /** Following words, each with its summary. */
  words: { word: string; summary: string }[]
  options: NamedOption[]
  /** Whether an argument is a file. */
  takesFile: boolean
  /** What an argument names. */
  names?: NamedKind
}

export interface NamedOption {
  /** For example `--output`. */
  long: string
  /** For example `-o`. */
  short?: string
  summary: string
  takesValue: boolean
  /** Possible values: words, or a file. */
  choices: readonly string[]
  takesFile: boolean
}

const isFile = (name: string): boolean => /^[<[](file|path|script)[>\].]/.test(name)

function named(option: Option): NamedOption {
  const [, short, long = '', value] = /^(?:(-\w), )?(--[\w-]+)(?: (.+))?$/.exec(option.flags) ?? []
  return {
    long,
    ...(short !== undefined && { short }),
    summary: option.summary,
    takesValue: value?.startsWith('<') === true,
    choices: option.choices ?? [],
    takesFile: value !== undefined && isFile(value),
  }
}

/** Every place of the command line, the program's own first. */
export function placesOf(commands: readonly Command[]): Place[] {
  const places = new Map<string, Place>([['', { path: '', words: [], options: [], takesFile: false }]])
  for (const command of commands) {
    for (const [index, word] of command.words.entries()) {
      const isWhole = index === command.words.length - 1
      const before = places.get(command.words.slice(0, index).join(' '))!
      const path = command.words.slice(0, index + 1).join(' ')
      if (!places.has(path)) {
        before.words.push({
          word,
          summary: isWhole ? command.summary : groupSummary(command.words.slice(0, index + 1)),
        })
        places.set(path, {
          path,
          words: [],
          options: isWhole ? optionsOf(command).map(named) : [],
          takesFile: isWhole && (command.args ?? []).some(isFile),
          ...(isWhole && command.names !== undefined && { names: command.names }),
        })
      }
    }
  }
  return [...places.values()]
}
