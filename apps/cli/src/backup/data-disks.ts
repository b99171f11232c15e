import { fixedVhdFooter, vhdFooterLength } from '@strongroom/contract'
import type { HttpsClient } from '../core/connection.ts'
import { apiVersions, type ArmClient } from '../client/arm.ts'
import { CliError } from '../core/cli-error.ts'
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
 * @param o.created called with the id of each disk that it creates
 * @throws CliError DiskExists: it writes to no disk that it did not create
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
    const creationData = { createOption: 'Upload', uploadSizeBytes: sizeBytes + vhdFooterLength }
    const body = { location: arm.region, properties: { creationData } }
    const made = await arm.create(id, apiVersions.compute, body)
    if (made === undefined) throw diskExists(id)
    o.created(id)
    await arm.follow(made)
    const access = { access: 'Write', durationInSeconds: accessSeconds }
    const { accessSAS } = await arm.result<{ accessSAS: string }>(
      'POST',
      `${id}/beginGetAccess`,
      apiVersions.compute,
      access,
    )
    await sendDisk(https, accessSAS, backups, name)
    await putPages(https, accessSAS, sizeBytes, fixedVhdFooter(sizeBytes))
    await arm.run('POST', `${id}/endGetAccess`, apiVersions.compute)
    restored.push({ lun: Number(name.slice('data-'.length)), createOption: 'Attach', managedDisk: { id } })
  }
  return restored
}

const diskExists = (id: string): CliError =>
  new CliError({
    code: 'DiskExists',
    message: `A disk of the backup would have the name of an existing one: ${id}.`,
    expected: 'no disk of this name',
    found: 'one, whose content stays as it is',
    remedy: 'Restore under another name or into another group, or delete the disk: az disk delete.',
  })
