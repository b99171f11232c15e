import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { BackupManifest, InstanceSpec, RestoredFrom } from '@strongroom/contract'
import { BackupInvalid, readBackupManifest } from '@strongroom/contract/backup-manifest'
import { ServiceError } from '@strongroom/platform'

type RestoredSpec = Pick<InstanceSpec, 'restore'>

/** The manifest of the backup that a VM is restored from. @throws ServiceError BackupAltered */
export function manifestOf({ restore }: RestoredSpec): BackupManifest | undefined {
  if (restore === undefined) return undefined
  try {
    return readBackupManifest(restore.manifest)
  } catch (error) {
    if (!(error instanceof BackupInvalid)) throw error
    throw altered(error.message, error.expected, error.found)
  }
}

/** Which backup a VM was restored from, for its claims and its guest state. */
export function restoredFrom(spec: RestoredSpec): RestoredFrom | undefined {
  const manifest = manifestOf(spec)
  if (manifest === undefined || spec.restore === undefined) return undefined
  const { vm, madeAt, generation } = manifest
  const digest = createHash('sha256').update(spec.restore.manifest).digest('hex')
  return { vmUniqueId: vm.vmId, madeAt, generation, manifest: digest }
}

/**
 * The host's record of a restore, which is in the claims, must match the guest state: so no host can use a guest state
 * from before a restore, or claim another backup.
 * @throws ServiceError RestoreNotRecorded
 */
export function requireRecorded(spec: RestoredSpec, found: RestoredFrom | undefined): void {
  const claimed = restoredFrom(spec)
  if (isDeepStrictEqual(claimed, found)) return
  throw new ServiceError({
    code: 'RestoreNotRecorded',
    message: 'The guest state was made of another backup than this host’s record of the VM says.',
    target: 'guestState',
    expected: told(claimed),
    found: told(found),
    remedy: 'Put this VM’s own guest state back, or restore the VM from its backup: strongroom vm restore.',
  })
}

const told = (restored: RestoredFrom | undefined): string =>
  restored === undefined ? 'no backup' : `the backup ${restored.manifest} of ${restored.madeAt}`

export const altered = (message: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'BackupAltered',
    message,
    target: 'restore',
    expected,
    found,
    remedy: 'Use an unaltered copy of the backup.',
  })
