import { CliError, exitCodes } from './cli-error.ts'
import { textOption, type CommandContext } from './command.ts'

const most = 24 * 60

/** An option in whole minutes, of at most a day; undefined if not given. @throws CliError InvalidArgument */
export function minutesOption(context: CommandContext, name: string, least: number): number | undefined {
  const text = textOption(context, name)
  if (text === undefined) return undefined
  const minutes = /^\d{1,4}$/.test(text) ? Number(text) : NaN
  if (minutes >= least && minutes <= most) return minutes
  const flag = `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
  throw new CliError({
    code: 'InvalidArgument',
    message: `${flag} is not a time in whole minutes.`,
    target: flag,
    expected: `${least} to ${most}`,
    found: text.slice(0, 40),
    exitCode: exitCodes.usage,
  })
}
