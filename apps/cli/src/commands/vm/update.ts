import { firmwareUpdates, type FirmwareUpdates } from '@strongroom/contract'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext, type Option } from '../../core/command.ts'
import { recallAsked, rememberAsked } from '../../trust/asked-settings.ts'
import { columns, fetchVm, groupOption, openVm, operate, row } from './resource.ts'

export const firmwareUpdatesOption: Option = {
  flags: '--firmware-updates <rule>',
  summary:
    'which of the installation’s listed firmware the VM may be launched with: Listed (never older in security than it ran; the default), Pinned (only what it ran last) or ListedOrOlder',
}

/** @throws CliError InvalidArgument */
export function firmwareUpdatesOf(context: CommandContext): FirmwareUpdates | undefined {
  const stated = textOption(context, 'firmwareUpdates')
  if (stated === undefined) return undefined
  const found = firmwareUpdates.find((each) => each.toLowerCase() === stated.toLowerCase())
  if (found !== undefined) return found
  throw new CliError({
    code: 'InvalidArgument',
    message: '--firmware-updates is not a valid rule.',
    expected: firmwareUpdates.join(', '),
    found: stated.slice(0, 80),
    exitCode: exitCodes.usage,
  })
}

export const updateCommand: Command = {
  words: ['vm', 'update'],
  args: ['<name>'],
  summary: 'change which firmware a VM may be launched with; it may run',
  options: [groupOption, firmwareUpdatesOption],
  examples: ['strongroom vm update first --firmware-updates Pinned'],
  run: async (context) => {
    const { arm, path } = await openVm(context)
    const updates = firmwareUpdatesOf(context)
    if (updates === undefined)
      throw new CliError({
        code: 'InvalidArgument',
        message: 'Nothing is to be changed.',
        expected: `--firmware-updates ${firmwareUpdates.join('|')}`,
        exitCode: exitCodes.usage,
      })
    const body = { properties: { securityProfile: { firmwareUpdates: updates } } }
    await operate(context, arm, { method: 'PATCH', path, body })
    const vm = await fetchVm(arm, path)
    const made = await recallAsked(context.paths.config, vm.properties.vmId)
    if (made?.vm !== undefined)
      await rememberAsked(context.paths.config, vm.properties.vmId, { ...made, vm: { ...made.vm, firmwareUpdates: updates } }) // prettier-ignore
    return { data: vm, table: { columns, rows: [row(vm)] } }
  },
}
