import { firmwareUpdates, type FirmwareUpdates } from '@strongroom/contract'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command, type CommandContext, type Option } from '../../core/command.ts'
import { minutesOption } from '../../core/minutes-option.ts'
import { changeAsked } from '../../trust/asked-settings.ts'
import { columns, fetchVm, groupOption, openVm, operate, row } from './resource.ts'

export const firmwareUpdatesOption: Option = {
  flags: '--firmware-updates <rule>',
  summary:
    'which of the installation’s listed firmware the VM may be launched with: Listed (never older in security ' +
    'than it ran; the default), Pinned (only what it ran last) or ListedOrOlder',
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

const noticeOption: Option = {
  flags: '--move-notice <minutes>',
  summary:
    'how long before a move to another host the VM’s guest and owner are informed, unless they approve it earlier ' +
    '(1 to 1440; 0: at once, the default)',
}

/** The parts of a VM that change while it runs. @throws CliError InvalidArgument */
function changesOf(context: CommandContext): { updates: FirmwareUpdates | undefined; properties: object } {
  const updates = firmwareUpdatesOf(context)
  const notice = minutesOption(context, 'moveNotice', 0)
  if (updates === undefined && notice === undefined)
    throw new CliError({
      code: 'InvalidArgument',
      message: 'Nothing is to be changed.',
      expected: `--firmware-updates ${firmwareUpdates.join('|')}, or --move-notice MINUTES`,
      exitCode: exitCodes.usage,
    })
  const profile = notice === 0 ? { enable: false } : { enable: true, notBeforeTimeout: `PT${notice}M` }
  return {
    updates,
    properties: {
      ...(updates !== undefined && { securityProfile: { firmwareUpdates: updates } }),
      ...(notice !== undefined && { scheduledEventsProfile: { redeployNotificationProfile: profile } }),
    },
  }
}

export const updateCommand: Command = {
  words: ['vm', 'update'],
  args: ['<name>'],
  names: 'vm',
  summary: 'change which firmware a VM may be launched with, or how long before a move it is informed; it may run',
  options: [groupOption, firmwareUpdatesOption, noticeOption],
  examples: ['strongroom vm update first --firmware-updates Pinned', 'strongroom vm update first --move-notice 30'],
  run: async (context) => {
    const { arm, path } = await openVm(context)
    const { updates, properties } = changesOf(context)
    await operate(context, arm, { method: 'PATCH', path, body: { properties } })
    const vm = await fetchVm(arm, path)
    if (updates !== undefined)
      await changeAsked(
        context.paths.config,
        vm.properties.vmId,
        (stored) => stored?.vm && { ...stored, vm: { ...stored.vm, firmwareUpdates: updates } },
      )
    return { data: vm, table: { columns, rows: [row(vm)] } }
  },
}
