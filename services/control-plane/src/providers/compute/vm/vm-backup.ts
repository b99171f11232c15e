import { backupRequest, restoreKey } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Vm } from './model/vm-model.ts'

// Backups of whole VMs are our addition: Azure's restore points exclude confidential VMs (docs/guides/disks.md).

const subject = { code: 'InvalidRequestContent', subject: 'The request' } as const

export async function createBackup(plane: Plane, request: ArmRequest, { internal }: Vm): Promise<ArmReply> {
  const begun = await plane.host.backup(internal.vmId, read(backupRequest, request.body, subject))
  return { status: 202, body: { ...begun } }
}

export async function retrieveBackup(plane: Plane, _request: ArmRequest, vm: Vm): Promise<ArmReply> {
  const found = await plane.host.findBackup(vm.internal.vmId)
  if (found !== undefined) return ok({ ...found })
  throw new ServiceError({
    code: 'BackupNotFound',
    message: `No backup of '${vm.name}' was asked for since its host started.`,
    target: vm.id,
    remedy: 'Make one: strongroom vm backup.',
  })
}

export async function retrieveRestore(plane: Plane, _request: ArmRequest, { internal }: Vm): Promise<ArmReply> {
  return ok({ ...(await plane.host.restoreOffer(internal.vmId)) })
}

export async function completeRestore(plane: Plane, request: ArmRequest, { internal }: Vm): Promise<ArmReply> {
  await plane.host.completeRestore(internal.vmId, read(restoreKey, request.body, subject))
  return ok({})
}
