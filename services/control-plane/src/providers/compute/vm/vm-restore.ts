import { BackupInvalid, readBackupManifest, type BackupManifest, type ImageRecord } from '@strongroom/contract'
import type { Fields } from '../../../arm/fields.ts'

/** A backup that a request wants its VM made of. */
export interface WantedBackup {
  /** Compact JWS: the host's paravisor verifies it under the owner's key. */
  signed: string
  /** Its content, which nothing vouches for here. */
  manifest: BackupManifest
}

/** `properties.restore.manifest`, ours. What is wrong with it goes to the fields. */
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

/** The image that the backup brings: this installation need not have it. */
export const imageOfBackup = ({ manifest }: WantedBackup): ImageRecord => manifest.image

export const backupSizeGiB = ({ manifest }: WantedBackup): number => (manifest.disks[0]?.sizeBytes ?? 0) / 2 ** 30
