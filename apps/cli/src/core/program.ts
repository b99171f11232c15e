import { visibleText } from '@strongroom/contract'
import { Command as Program } from 'commander'
import { optionsOf, type Command } from './command.ts'
import { groupSummary } from './group.ts'
import { asTyped, ownName } from './own-name.ts'
import { closeSuggestions } from './suggestions.ts'
import { wrappedExample } from './wrapped-example.ts'

const widest = 100

/** Columns of help: the terminal's, and no more than anyone likes to read. */
export const helpWidth = (columns: number | undefined): number => Math.min(columns ?? widest, widest)

export type Run = (command: Command, args: string[], options: Record<string, string | boolean>) => Promise<void>

/**
 * The command line of these commands.
 * @param o.words the first words of all commands, which texts name
 */
export function programOf(o: {
  commands: readonly Command[]
  words: readonly string[]
  width: { out: number; error: number }
  run: Run
}): Program {
  const program = new Program(ownName())
    .description('A confidential-VM cloud that anyone can run.')
    .version('0.1.0')
    .exitOverride()
    .configureHelp({ minWidthToWrap: 15 })
    .configureOutput({
      writeErr: (text) => void process.stderr.write(visibleText(closeSuggestions(text), '\n')),
      getOutHelpWidth: () => o.width.out,
      getErrHelpWidth: () => o.width.error,
    })
  for (const command of o.commands) addCommand(program, command, o)
  return program
}

function addCommand(
  program: Program,
  command: Command,
  o: { words: readonly string[]; width: { out: number }; run: Run },
): void {
  const typed = (text: string): string => asTyped(text, o.words)
  let parent = program
  for (const [index, word] of command.words.slice(0, -1).entries()) {
    parent =
      parent.commands.find((each) => each.name() === word) ??
      parent.command(word).description(groupSummary(command.words.slice(0, index + 1)))
  }
  const added = parent
    .command([command.words.at(-1), ...(command.args ?? [])].join(' '))
    .description(typed(command.summary))
  for (const option of optionsOf(command)) added.option(option.flags, typed(option.summary), option.default)
  if (command.examples !== undefined) {
    const lines = command.examples.flatMap((line) => wrappedExample(typed(line), o.width.out - 2))
    added.addHelpText('after', `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}`)
  }
  added.action(async (...values: unknown[]) => {
    const args = values
      .slice(0, -2)
      .flat()
      .filter((value): value is string => typeof value === 'string')
    await o.run(command, args, added.opts())
  })
}
