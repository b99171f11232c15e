import { readFile } from 'node:fs/promises'
import { bootNumberCode, linesOfText, mostScriptSeconds } from '@strongroom/contract'
import { apiVersions, type ArmClient } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext, type Option } from '../../core/command.ts'
import { personalSshKey } from '../../core/ssh-key.ts'
import { signScript } from '../../core/ssh-signature.ts'
import { printContent } from '../../core/terminal.ts'
import { fetchVm, groupOption, openVm, type VmResource } from './resource.ts'

const validMinutes = 15
const mostMinutes = mostScriptSeconds / 60

const options: Option[] = [
  groupOption,
  { flags: '--ssh-key <file>', summary: 'private key that the VM accepts; by default the one of this configuration' },
  { flags: '--minutes <minutes>', summary: 'how long the signed script stays valid', default: String(validMinutes) },
  {
    flags: '--limit <minutes>',
    summary: 'after how long the guest ends the script; at most 90',
    default: String(mostMinutes),
  },
]

/** @throws CliError InvalidArgument */
function minutesOption(context: CommandContext, name: string, usual: number, most: number): number {
  const given = textOption(context, name) ?? String(usual)
  const minutes = Number(given)
  if (Number.isInteger(minutes) && minutes >= 1 && minutes <= most) return minutes
  throw new CliError({
    code: 'InvalidArgument',
    message: `--${name} is not a number of minutes.`,
    expected: `a whole number from 1 to ${most}`,
    found: given,
    remedy: `Use --${name} ${usual}.`,
    exitCode: exitCodes.usage,
  })
}

/** What the guest names its boot by, as its host shows it: if that is wrong, the guest refuses the script. */
function bootNumberOf(vm: VmResource): string | undefined {
  const codes = (vm.properties.instanceView?.statuses ?? []).map(({ code }) => code)
  return codes.find((code) => code.startsWith(bootNumberCode))?.slice(bootNumberCode.length)
}

const withoutBoot = (name: string): string =>
  `${name} shows no boot number: it is off, its image is older than boot numbers, or its host hides the number. ` +
  'The script is signed for no boot. ' +
  `A guest of a current image refuses it: start the VM and sign again. An older image runs it, and its host can have it run twice.`

async function signed(context: CommandContext): Promise<{ arm: ArmClient; path: string; text: string }> {
  const [, file = ''] = context.args
  const { arm, path } = await openVm(context)
  const minutes = minutesOption(context, 'minutes', validMinutes, 100_000)
  const limit = minutesOption(context, 'limit', mostMinutes, mostMinutes)
  const script = await readFile(file === '-' ? '/dev/stdin' : file, 'utf8').catch((cause: unknown) => {
    throw new CliError({
      code: 'InvalidArgument',
      message: `Cannot read ${file}.`,
      remedy: 'Pass a shell script, or - for standard input.',
      exitCode: exitCodes.usage,
      cause,
    })
  })
  const vm = await fetchVm(arm, path)
  const boot = bootNumberOf(vm)
  if (boot === undefined) context.say(withoutBoot(vm.name))
  const keyPath = textOption(context, 'sshKey') ?? (await personalSshKey(context.paths.config)).privatePath
  const { vmId } = vm.properties
  const expires = new Date(Date.now() + minutes * 60_000)
  const text = await signScript({ script, vmId, boot, expires, limitSeconds: limit * 60, keyPath })
  return { arm, path, text }
}

const sign: Command = {
  words: ['vm', 'sign-script'],
  args: ['<name>', '<script>'],
  names: 'vm',
  summary: 'sign a shell script for one boot of one VM, so that its guest runs it when the host delivers it',
  options,
  examples: [
    'strongroom vm sign-script first update.sh >signed.sh',
    'az vm run-command invoke -g strongroom -n first --command-id RunShellScript --scripts @signed.sh',
  ],
  run: async (context) => {
    const { text } = await signed(context)
    printContent(text)
    return undefined
  },
}

interface Answer {
  value: { code: string; message: string }[]
}

const runCommand: Command = {
  words: ['vm', 'run-command'],
  args: ['<name>', '<script>'],
  names: 'vm',
  summary: 'sign a shell script and have the guest run it as root',
  options,
  examples: ['echo uptime | strongroom vm run-command first -'],
  run: async (context) => {
    const { arm, path, text } = await signed(context)
    const body = { commandId: 'RunShellScript', script: text.split('\n') }
    const answer = await arm.result<Answer>('POST', `${path}/runCommand`, apiVersions.compute, body)
    const [first] = answer.value
    if (first?.code.endsWith('/failed') === true) process.exitCode = 1
    return { data: answer, lines: linesOfText(first?.message ?? '') }
  },
}

export const runCommandCommands: Command[] = [sign, runCommand]
