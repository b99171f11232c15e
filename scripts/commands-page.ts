// Writes docs/reference/commands.md from the commands themselves (apps/cli/src/commands): npm run docs:commands
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { allCommands } from '../apps/cli/src/modules.ts'
import type { Command, Option } from '../apps/cli/src/core/command.ts'

export const commandsPagePath: string = join(resolve(import.meta.dirname, '..'), 'docs/reference/commands.md')

const cell = (text: string): string => text.replaceAll('|', '\\|')

function optionRow({ flags, summary, default: byDefault }: Option): string {
  const otherwise = byDefault === undefined || byDefault === false ? '' : `\`${String(byDefault)}\``
  return `| \`${cell(flags)}\` | ${cell(summary)} | ${otherwise} |`
}

function section({ words, args = [], summary, options = [], examples = [], watchable }: Command): string[] {
  return [
    `## ${words.join(' ')}`,
    '',
    `\`strongroom ${[...words, ...args].join(' ')}\`: ${summary}.${watchable === true ? ' Takes `--watch`.' : ''}`,
    '',
    ...(options.length === 0 ? [] : ['| Option | | Default |', '|---|---|---|', ...options.map(optionRow), '']),
    ...(examples.length === 0 ? [] : ['```', ...examples, '```', '']),
  ]
}

/** The page, as Markdown. */
export async function commandsPage(): Promise<string> {
  const commands = (await allCommands()).toSorted((a, b) => (a.words.join(' ') < b.words.join(' ') ? -1 : 1))
  return [
    '# Commands',
    '',
    'Every command and option of `strongroom`, made of the commands themselves by `npm run docs:commands`. Every ' +
      'command takes `--output` (table, json, jsonc, yaml, tsv, none) and `--query`, a JMESPath expression over the result.',
    'Exit codes: 1 failed, 2 usage, 3 something is missing on this machine, 4 not found, 5 the server does not ' +
      'run, 6 not trusted, 130 interrupted.',
    '',
    ...commands.flatMap(section),
  ].join('\n')
}

if (import.meta.main) writeFileSync(commandsPagePath, await commandsPage())
