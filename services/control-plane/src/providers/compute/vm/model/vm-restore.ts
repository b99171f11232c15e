import type { BackupManifest, ImageRecord } from '@strongroom/contract'
import { BackupInvalid, readBackupManifest } from '@strongroom/contract/backup-manifest'
import type { Fields } from '../../../../arm/fields.ts'

/** A backup that a request restores a VM from. */
export interface WantedBackup {
  /** Compact JWS: the host's paravisor verifies it under the owner's key. */
  signed: string
  /** Its content, not authenticated here. */
  manifest: BackupManifest
}

/** `properties.restore.manifest`, ours. Problems are added to the fields. */
export function readRestore(properties: Fields): WantedBackup | undefined {
  const fields = properties.object('restore')
  const signed = fields.text('manifest')
  if (signed === undefined) return undefined
  try {
    return { signed, manifest: readBackupManifest(signed) }
  } catch (error) {
    if (!(error instanceof BackupInvalid)) throw error
    const { expected, found } = error
    fields.invalid(fields.at('manifest'), error.message, { expected, found, remedy: 'Use strongroom vm restore.' })
    return undefined
  }
}

/** The image that the backup contains: this installation need not have it. */
export const imageOfBackup = ({ manifest }: WantedBackup): ImageRecord => manifest.image

export const backupSizeGiB = ({ manifest }: WantedBackup): number => (manifest.disks[0]?.sizeBytes ?? 0) / 2 ** 30
