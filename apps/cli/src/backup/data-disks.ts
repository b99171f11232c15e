import { fixedVhdFooter, vhdFooterLength } from '@strongroom/contract'
import { apiVersions, type ArmClient } from '../client/arm.ts'
import type { HttpsClient } from '../client/https.ts'
import type { StoredBackup } from './folder.ts'
import { putPages, sendDisk } from './transfer.ts'

const accessSeconds = 24 * 3600

/** A data disk as a VM's request names it. */
export interface RestoredDisk {
  lun: number
  createOption: 'Attach'
  managedDisk: { id: string }
}

/**
 * Creates the data disks of a backup as uploads over Azure's wire; the guest judges their content.
 * @param o.created called with each disk's id before the disk exists
 */
export async function restoreDataDisks(o: {
  arm: ArmClient
  https: HttpsClient
  group: string
  vmName: string
  backups: readonly StoredBackup[]
  created(id: string): void
}): Promise<RestoredDisk[]> {
  const { arm, https, backups } = o
  const restored: RestoredDisk[] = []
  for (const { name, sizeBytes } of backups.at(-1)?.manifest.disks ?? []) {
    if (name === 'os') continue
    const id = `${o.group}/providers/Microsoft.Compute/disks/${o.vmName}_${name}`
    o.created(id)
    const creationData = { createOption: 'Upload', uploadSizeBytes: sizeBytes + vhdFooterLength }
    await arm.run('PUT', id, apiVersions.compute, { location: arm.region, properties: { creationData } })
    const access = { access: 'Write', durationInSeconds: accessSeconds }
    const { accessSAS } = await arm.result<{ accessSAS: string }>('POST', `${id}/beginGetAccess`, apiVersions.compute, access) // prettier-ignore
    await sendDisk(https, accessSAS, backups, name)
    await putPages(https, accessSAS, sizeBytes, fixedVhdFooter(sizeBytes))
    await arm.run('POST', `${id}/endGetAccess`, apiVersions.compute)
    restored.push({ lun: Number(name.slice('data-'.length)), createOption: 'Attach', managedDisk: { id } })
  }
  return restored
}
