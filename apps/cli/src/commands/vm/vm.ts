import { ArmClient, apiVersions } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type Command } from '../../core/command.ts'
import { groupPath, removeLeftovers } from '../../up/vm-network.ts'
import { createCommand } from './create.ts'
import {
  columns,
  eachVm,
  fetchVm,
  groupOption,
  noWaitOption,
  openVm,
  operate,
  power,
  row,
  shownVm,
  type VmResource,
} from './resource.ts'
import { shownPlacement } from './placement.ts'
import { sshCommand } from './ssh.ts'
import { updateCommand } from './update.ts'
import { waitCommand } from './wait.ts'

const list: Command = {
  words: ['vm', 'list'],
  summary: 'list the VMs of the subscription, or of one group',
  watchable: true,
  options: [{ flags: '-g, --resource-group <group>', summary: 'resource group' }],
  run: async (context) => {
    const arm = new ArmClient(await context.connect())
    const only = textOption(context, 'resourceGroup')
    const scope = only === undefined ? arm.subscription : groupPath(arm, only)
    const found = await arm.list<VmResource>(
      `${scope}/providers/Microsoft.Compute/virtualMachines`,
      apiVersions.compute,
    )
    const vms = await Promise.all(found.map(async (vm) => await fetchVm(arm, vm.id)))
    return { data: vms, table: { columns, rows: vms.map(row) } }
  },
}

const show: Command = {
  words: ['vm', 'show'],
  args: ['<name>'],
  names: 'vm',
  summary: 'show one VM with its instance view',
  options: [groupOption, { flags: '--placement', summary: 'which host carries it, and why' }],
  run: async (context) => {
    const { arm, path } = await openVm(context)
    if (context.options['placement'] === true) return await shownPlacement(arm, path)
    const vm = await fetchVm(arm, path)
    const statuses = (vm.properties.instanceView?.statuses ?? []).map(
      (status) => `  ${status.code}: ${status.message ?? status.displayStatus ?? ''}`,
    )
    return {
      data: vm,
      lines: [
        `${vm.name}  ${vm.properties.hardwareProfile.vmSize}  ${power(vm)}`,
        `  id: ${vm.id}`,
        `  vmId: ${vm.properties.vmId}`,
        ...statuses,
      ],
    }
  },
}

function powerCommand(word: string, action: string, summary: string): Command {
  return {
    words: ['vm', word],
    args: ['<names...>'],
    names: 'vm',
    summary,
    options: [groupOption, noWaitOption],
    run: async (context) =>
      await eachVm(context, async ({ arm, path }) => {
        await operate(context, arm, { method: 'POST', path: `${path}/${action}` })
        return await shownVm(arm, path)
      }),
  }
}

const remove: Command = {
  words: ['vm', 'delete'],
  args: ['<names...>'],
  names: 'vm',
  summary:
    'delete VMs with their disks, guest states and keys, and the interface, address and security group that `vm ' +
    'create` made: their data cannot be decrypted afterwards',
  options: [groupOption, { flags: '-y, --yes', summary: 'do not ask for confirmation' }, noWaitOption],
  run: async (context) => {
    if (context.options['yes'] !== true) {
      throw new CliError({
        code: 'NotConfirmed',
        message: `Deleting ${context.args.join(', ')} destroys each key and disk permanently.`,
        remedy: 'Add --yes.',
        exitCode: exitCodes.usage,
      })
    }
    return await eachVm(context, async ({ arm, path, name }) => {
      await operate(context, arm, { method: 'DELETE', path })
      if (context.options['wait'] === false) return { data: { deleting: name }, lines: [`${name} is being deleted.`] }
      await removeLeftovers(arm, path)
      return { data: { deleted: name }, lines: [`${name} is deleted.`] }
    })
  },
}

export const vmCommands: Command[] = [
  createCommand,
  list,
  show,
  sshCommand,
  powerCommand('start', 'start', 'start a VM: attest, release, unlock, boot'),
  powerCommand('stop', 'powerOff', 'stop a VM; it stays allocated'),
  powerCommand('restart', 'restart', 'restart a VM'),
  powerCommand('deallocate', 'deallocate', 'stop a VM and free its cores'),
  updateCommand,
  remove,
  waitCommand,
]
