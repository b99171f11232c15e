import { readFile } from 'node:fs/promises'
import { apiVersions, type ArmClient } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext, type Option } from '../../core/command.ts'
import { personalSshKey } from '../../core/ssh-key.ts'
import { signScript } from '../../core/ssh-signature.ts'
import { fetchVm, groupOption, openVm } from './resource.ts'

const options: Option[] = [
  groupOption,
  { flags: '--ssh-key <file>', summary: 'private key that the VM accepts; by default the one of this configuration' },
  { flags: '--minutes <minutes>', summary: 'how long the signed script stays valid', default: '15' },
]

async function signed(context: CommandContext): Promise<{ arm: ArmClient; path: string; text: string }> {
  const [, file = ''] = context.args
  const { arm, path } = await openVm(context)
  const minutes = Number(textOption(context, 'minutes') ?? '15')
  if (!Number.isInteger(minutes) || minutes < 1)
    throw new CliError({
      code: 'InvalidArgument',
      message: '--minutes must be a positive integer.',
      expected: 'a whole number from 1',
      remedy: 'Use --minutes 15.',
      exitCode: exitCodes.usage,
    })
  const script = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch((cause: unknown) => {
    throw new CliError({
      code: 'InvalidArgument',
      message: `Cannot read ${file}.`,
      remedy: 'Pass a shell script, or - for standard input.',
      exitCode: exitCodes.usage,
      cause,
    })
  })
  const { vmId } = (await fetchVm(arm, path)).properties
  const keyPath = textOption(context, 'sshKey') ?? (await personalSshKey(context.paths.config)).privatePath
  const text = await signScript({ script, vmId, keyPath, expires: new Date(Date.now() + minutes * 60_000) })
  return { arm, path, text }
}

const sign: Command = {
  words: ['vm', 'sign-script'],
  args: ['<name>', '<script>'],
  summary: 'sign a shell script for one VM, so that its guest runs it when the host delivers it',
  options,
  examples: [
    'strongroom vm sign-script first update.sh >signed.sh',
    'az vm run-command invoke -g strongroom -n first --command-id RunShellScript --scripts @signed.sh',
  ],
  run: async (context) => {
    const { text } = await signed(context)
    process.stdout.write(text)
    return undefined
  },
}

interface Answer {
  value: { code: string; message: string }[]
}

const runCommand: Command = {
  words: ['vm', 'run-command'],
  args: ['<name>', '<script>'],
  summary: 'sign a shell script and have the guest run it as root',
  options,
  examples: ['echo uptime | strongroom vm run-command first -'],
  run: async (context) => {
    const { arm, path, text } = await signed(context)
    const body = { commandId: 'RunShellScript', script: text.split('\n') }
    const answer = await arm.result<Answer>('POST', `${path}/runCommand`, apiVersions.compute, body)
    const [first] = answer.value
    if (first?.code.endsWith('/failed') === true) process.exitCode = 1
    return { data: answer, lines: [first?.message ?? ''] }
  },
}

export const runCommandCommands: Command[] = [sign, runCommand]
