import { fishCompletion } from '../completion/fish.ts'
import { existingNames, isNamedKind } from '../completion/names.ts'
import { bashCompletion, zshCompletion } from '../completion/posix.ts'
import { placesOf } from '../completion/words.ts'
import { CliError, exitCodes } from '../core/cli-error.ts'
import { namedKinds, type Command } from '../core/command.ts'
import { ownProgram } from '../core/own-name.ts'

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const
const names = Object.keys(shells) as (keyof typeof shells)[]

/** @param allCommands of the command line, including this one */
export const completionCommand = (allCommands: () => Promise<Command[]>): Command => ({
  words: ['completion'],
  args: ['<shell>', '[kind]'],
  summary: `print a completion script for bash, zsh or fish; \`names\` and a kind (${namedKinds.join(', ')}): the names that it offers`,
  examples: ['eval "$(strongroom completion bash)"', 'strongroom completion fish | source'],
  run: async (context) => {
    const [given = '', kind = ''] = context.args
    if (given === 'names') {
      const found = isNamedKind(kind) ? await existingNames(context, kind) : []
      return found.length === 0 ? undefined : { data: found, lines: found }
    }
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
    const lines = shells[shell](placesOf(await allCommands()), ownProgram())
    return { data: { shell, lines }, lines }
  },
})
