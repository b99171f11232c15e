import type { FirmwareUpdates, ImageReference } from '@strongroom/contract'
import type { Response } from '../../core/connection.ts'
import { ArmClient, apiVersions } from '../../client/arm.ts'
import { CliError, exitCodes } from '../../core/cli-error.ts'
import { textOption, type CommandContext, type Option } from '../../core/command.ts'
import type { Result } from '../../core/output.ts'
import { createProgress } from '../../up/progress.ts'
import { defaultGroup, vmPath } from '../../up/vm-request.ts'

interface DiskSecurity {
  securityEncryptionType?: string
  diskEncryptionSet?: { id: string }
}

export interface VmResource {
  id: string
  name: string
  location: string
  properties: {
    vmId: string
    provisioningState: string
    hardwareProfile: { vmSize: string }
    securityProfile?: {
      attestationProvider?: { id: string }
      firmwareUpdates?: FirmwareUpdates
      uefiSettings?: { secureBootEnabled?: boolean }
    }
    instanceView?: { statuses?: { code: string; displayStatus?: string; message?: string }[] }
    storageProfile?: { imageReference?: ImageReference; osDisk?: { managedDisk?: { securityProfile?: DiskSecurity } } }
  }
}

export interface VmConnection {
  ssh: { host: string; port: number; user: string }
}

const groupFlags = '-g, --resource-group <group>'
/** For a VM to be created. */
export const newGroupOption: Option = { flags: groupFlags, summary: 'resource group', default: defaultGroup }
/** For an existing VM. */
export const groupOption: Option = {
  flags: groupFlags,
  summary: 'resource group; by default that of the VM with this name',
}
export const groupOf = (context: CommandContext): string => textOption(context, 'resourceGroup') ?? defaultGroup

export const power = (vm: VmResource): string =>
  vm.properties.instanceView?.statuses?.find((status) => status.code.startsWith('PowerState/'))?.displayStatus ??
  'unknown'

const diskSecurity = (vm: VmResource): DiskSecurity =>
  vm.properties.storageProfile?.osDisk?.managedDisk?.securityProfile ?? {}

const encryption = (vm: VmResource): string => diskSecurity(vm).securityEncryptionType ?? ''

export const row = (vm: VmResource): string[] => [
  vm.name,
  vm.properties.hardwareProfile.vmSize,
  power(vm),
  vm.properties.provisioningState,
  encryption(vm),
  vm.id.split('/')[4] ?? '',
]
export const columns: string[] = ['Name', 'Size', 'Power', 'Provisioning', 'Encryption', 'Group']

export interface OpenedVm {
  arm: ArmClient
  /** ARM id. */
  path: string
  name: string
}

/**
 * A VM by name, in any group by default.
 * @throws CliError ResourceNotFound if there is none of the name, AmbiguousName if several groups have one
 */
export async function openVm(context: CommandContext, name: string = context.args[0]!): Promise<OpenedVm> {
  const arm = new ArmClient(await context.connect())
  const group = textOption(context, 'resourceGroup')
  if (group !== undefined) return { arm, name, path: vmPath(arm, group, name) }
  const all = await arm.list<VmResource>(
    `${arm.subscription}/providers/Microsoft.Compute/virtualMachines`,
    apiVersions.compute,
  )
  const found = all.filter((vm) => vm.name.toLowerCase() === name.toLowerCase())
  const [first] = found
  if (first !== undefined && found.length === 1) return { arm, name, path: first.id }
  const groups = found.map(({ id }) => id.split('/')[4] ?? '')
  throw new CliError(
    first === undefined
      ? {
          code: 'ResourceNotFound',
          message: `There is no VM named '${name}' in any resource group.`,
          expected: 'the name of a VM',
          found: name,
          remedy: 'List them with `strongroom vm list`.',
          exitCode: exitCodes.notFound,
        }
      : {
          code: 'AmbiguousName',
          message: `${found.length} VMs are named '${name}', in the groups ${groups.join(', ')}.`,
          expected: '-g GROUP',
          found: 'no group',
          remedy: `Select one: -g ${groups[0]}.`,
          exitCode: exitCodes.usage,
        },
  )
}

/** Performs an action on each named VM, one after the other, and shows their resulting state. */
export async function eachVm(context: CommandContext, work: (vm: OpenedVm) => Promise<Result>): Promise<Result> {
  const opened: OpenedVm[] = []
  // An unknown name is reported before anything is done with the others.
  for (const name of context.args) opened.push(await openVm(context, name))
  const results: Result[] = []
  for (const vm of opened) results.push(await work(vm))
  const [only] = results
  if (only !== undefined && results.length === 1) return only
  const rows = results.flatMap(({ table }) => table?.rows ?? [])
  return {
    data: results.map(({ data }) => data),
    ...(rows.length > 0 ? { table: { columns, rows } } : { lines: results.flatMap(({ lines }) => lines ?? []) }),
  }
}

export const fetchVm = async (arm: ArmClient, path: string): Promise<VmResource> =>
  await arm.get<VmResource>(`${path}?$expand=instanceView`, apiVersions.compute)

export const fetchConnection = async (arm: ArmClient, path: string): Promise<VmConnection> =>
  (await arm.send('POST', `${path}/retrieveConnection`, apiVersions.compute)).json as VmConnection

export const noWaitOption: Option = {
  flags: '--no-wait',
  summary: 'return once the server has accepted the request; `strongroom vm wait` waits for the end',
}

/** Sends a request that begins an operation, and follows it to its end unless `--no-wait` was given. */
export async function operate(
  context: CommandContext,
  arm: ArmClient,
  request: { method: string; path: string; body?: unknown },
): Promise<void> {
  await followed(context, arm, await arm.send(request.method, request.path, apiVersions.compute, request.body))
}

/** Follows an accepted request to its end unless `--no-wait` was given. */
export async function followed(context: CommandContext, arm: ArmClient, accepted: Response): Promise<void> {
  if (context.options['wait'] === false) return
  const terminal = context.format === 'table' && process.stderr.isTTY ? process.stderr : undefined
  await arm.follow(accepted, createProgress(context.say, terminal).onSteps())
}

/** The VM as a row, as it is now. */
export async function shownVm(arm: ArmClient, path: string): Promise<Result> {
  const vm = await fetchVm(arm, path)
  return { data: vm, table: { columns, rows: [row(vm)] } }
}
