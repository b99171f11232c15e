import type { ImageReference } from '@strongroom/contract'
import { ArmClient, apiVersions } from '../../client/arm.ts'
import { textOption, type CommandContext, type Option } from '../../core/command.ts'
import type { Result } from '../../core/output.ts'
import { createProgress } from '../../up/progress.ts'
import { defaultGroup, vmPath } from '../../up/vm-request.ts'

export interface DiskSecurity {
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
    securityProfile?: { attestationProvider?: { id: string }; uefiSettings?: { secureBootEnabled?: boolean } }
    instanceView?: { statuses?: { code: string; displayStatus?: string; message?: string }[] }
    storageProfile?: { imageReference?: ImageReference; osDisk?: { managedDisk?: { securityProfile?: DiskSecurity } } }
  }
}

export interface VmConnection {
  ssh: { host: string; port: number; user: string }
}

export const groupOption: Option = {
  flags: '-g, --resource-group <group>',
  summary: 'resource group',
  default: defaultGroup,
}
export const groupOf = (context: CommandContext): string => textOption(context, 'resourceGroup') ?? defaultGroup

export const power = (vm: VmResource): string =>
  vm.properties.instanceView?.statuses?.find((status) => status.code.startsWith('PowerState/'))?.displayStatus ??
  'unknown'

export const diskSecurity = (vm: VmResource): DiskSecurity =>
  vm.properties.storageProfile?.osDisk?.managedDisk?.securityProfile ?? {}

export const encryption = (vm: VmResource): string => diskSecurity(vm).securityEncryptionType ?? ''

export const row = (vm: VmResource): string[] => [
  vm.name,
  vm.properties.hardwareProfile.vmSize,
  power(vm),
  vm.properties.provisioningState,
  encryption(vm),
  vm.id.split('/')[4] ?? '',
]
export const columns: string[] = ['Name', 'Size', 'Power', 'Provisioning', 'Encryption', 'Group']

export async function openVm(context: CommandContext): Promise<{ arm: ArmClient; path: string; name: string }> {
  const arm = new ArmClient(await context.connect())
  const name = context.args[0]!
  return { arm, name, path: vmPath(arm, groupOf(context), name) }
}

export const fetchVm = async (arm: ArmClient, path: string): Promise<VmResource> =>
  await arm.get<VmResource>(`${path}?$expand=instanceView`, apiVersions.compute)

export const fetchConnection = async (arm: ArmClient, path: string): Promise<VmConnection> =>
  (await arm.send('POST', `${path}/retrieveConnection`, apiVersions.compute)).json as VmConnection

export const noWaitOption: Option = {
  flags: '--no-wait',
  summary: 'return once the server has taken it on; `strongroom vm wait` waits for the end',
}

/** Sends a request that begins an operation, and follows that to its end unless `--no-wait` was given. */
export async function operate(
  context: CommandContext,
  arm: ArmClient,
  request: { method: string; path: string; body?: unknown },
): Promise<void> {
  const { method, path, body } = request
  if (context.options['wait'] === false) {
    await arm.send(method, path, apiVersions.compute, body)
    return
  }
  const terminal = context.format === 'table' && process.stderr.isTTY ? process.stderr : undefined
  await arm.run(method, path, apiVersions.compute, body, createProgress(context.say, terminal).onSteps())
}

/** The VM as a row, as it is now. */
export async function shownVm(arm: ArmClient, path: string): Promise<Result> {
  const vm = await fetchVm(arm, path)
  return { data: vm, table: { columns, rows: [row(vm)] } }
}
