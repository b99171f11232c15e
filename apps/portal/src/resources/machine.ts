import type { InstanceViewStatus } from '@strongroom/contract'
import { list, subscriptionPath, versions } from '../wire/arm.ts'

/** What the portal reads of a virtual machine's resource. */
export interface Machine {
  id: string
  name: string
  location: string
  zones?: string[]
  tags?: Record<string, string>
  identity?: { type: string; principalId?: string; userAssignedIdentities?: Record<string, unknown> }
  properties: {
    vmId: string
    provisioningState: string
    timeCreated?: string
    hardwareProfile: { vmSize: string }
    securityProfile?: {
      securityType?: string
      uefiSettings?: { secureBootEnabled?: boolean; vTpmEnabled?: boolean }
      encryptionAtHost?: boolean
    }
    storageProfile: {
      imageReference?: { id?: string; publisher?: string; offer?: string; sku?: string; version?: string }
      osDisk: {
        name?: string
        managedDisk?: {
          id?: string
          securityProfile?: { securityEncryptionType?: string; diskEncryptionSet?: { id: string } }
        }
      }
      dataDisks?: { lun: number; name?: string; diskSizeGB?: number; managedDisk?: { id?: string } }[]
    }
    osProfile?: { computerName?: string; adminUsername?: string }
    networkProfile?: { networkInterfaces?: { id: string }[] }
    instanceView?: InstanceView
  }
}

export interface InstanceView {
  computerName?: string
  statuses: InstanceViewStatus[]
  notices?: string[]
}

export type PowerState = 'running' | 'starting' | 'stopping' | 'stopped' | 'deallocated' | 'unknown'

const settled = new Set(['running', 'stopped', 'deallocated'])

/** From an instance view: power, with a sentence if something is wrong. */
export function powerOf(view: InstanceView | undefined): { power: PowerState; message?: string } {
  const status = view?.statuses.find(({ code }) => code.startsWith('PowerState/'))
  const power = (status?.code.slice('PowerState/'.length) ?? 'unknown') as PowerState
  return { power, ...(status?.message !== undefined && { message: status.message }) }
}

/** Whether the machine is between two states. */
export function isMoving(machine: Pick<Machine, 'properties'>): boolean {
  const { provisioningState, instanceView } = machine.properties
  if (['Creating', 'Updating', 'Deleting'].includes(provisioningState)) return true
  return instanceView !== undefined && !settled.has(powerOf(instanceView).power)
}

export const groupOf = (id: string): string => /\/resourceGroups\/([^/]+)/i.exec(id)?.[1] ?? ''
export const nameOf = (id: string): string => id.slice(id.lastIndexOf('/') + 1)

/** Its address in the portal. */
export const placeOf = (machine: Pick<Machine, 'id' | 'name'>): string =>
  `/machines/${encodeURIComponent(groupOf(machine.id))}/${encodeURIComponent(machine.name)}`

/** Azure's name for the OS disk's encryption. */
export const encryptionOf = (machine: Machine): string | undefined =>
  machine.properties.storageProfile.osDisk.managedDisk?.securityProfile?.securityEncryptionType

/** Kinds of that encryption, as the portal offers them. */
export const encryptions: readonly { value: string; name: string; words: string }[] = [
  {
    value: 'DiskWithVMGuestState',
    name: 'Disk and guest state',
    words: 'The whole OS disk is encrypted before the first boot; its key is released only to this machine.',
  },
  {
    value: 'VMGuestStateOnly',
    name: 'Guest state only',
    words: 'The TPM’s state is encrypted; the OS disk is not, beyond what the guest does itself.',
  },
  {
    value: 'NonPersistedTPM',
    name: 'Nothing is kept',
    words: 'The TPM is new at every boot and nothing in it is kept. Intel TDX only; you bring keys and verifier.',
  },
]

/** A page this large is read between two frames. */
const pageSize = 250

/** All machines in the subscription that the principal may see, with their state. @param onPage called with those read so far */
export async function readMachines(
  signal: AbortSignal,
  onPage?: (sofar: readonly Machine[]) => void,
): Promise<Machine[]> {
  const path = `${await subscriptionPath()}/providers/Microsoft.Compute/virtualMachines?statusOnly=true&$top=${pageSize}`
  return await list<Machine>(path, versions.compute, signal, onPage)
}
