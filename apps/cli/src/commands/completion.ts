import { fishCompletion } from '../completion/fish.ts'
import { bashCompletion, zshCompletion } from '../completion/posix.ts'
import { placesOf } from '../completion/words.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import type { Command } from '../core/command.ts'

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const
const names = Object.keys(shells) as (keyof typeof shells)[]

/** @param allCommands of the command line, including this one */
export const completionCommand = (allCommands: () => Promise<Command[]>): Command => ({
  words: ['completion'],
  args: ['<shell>'],
  summary: 'print a completion script for bash, zsh or fish',
  examples: ['eval "$(strongroom completion bash)"', 'strongroom completion fish | source'],
  run: async ({ args: [given = ''] }) => {
    const shell = names.find((name) => name === given)
    if (shell === undefined) {
      throw new CliError({
        code: 'InvalidArgument',
        message: `There is no completion script for '${given}'.`,
        expected: names.join(', '),
        found: given,
        exitCode: exitCodes.usage,
      })
    }
    const lines = shells[shell](placesOf(await allCommands()))
    return { data: { shell, lines }, lines }
  },
})
