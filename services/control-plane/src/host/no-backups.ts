import { isOrdinary, type AnySpec } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Host } from './host.ts'

const refused = async (): Promise<never> =>
  await Promise.reject(
    new ServiceError({
      code: 'BackupNotPossible',
      message: 'Compute is simulated in this installation: no VM has a disk that could be backed up or restored.',
      expected: 'an installation with guests',
      found: 'compute simulated',
      remedy: 'Use an installation that boots guests: strongroom up.',
    }),
  )

/** A host without guests: it has nothing to back up. */
export class WithoutBackups implements Pick<Host, 'backup' | 'findBackup' | 'restoreOffer' | 'completeRestore'> {
  readonly backup = refused
  readonly findBackup: Host['findBackup'] = async () => await Promise.resolve(undefined)
  readonly restoreOffer = refused
  readonly completeRestore = refused
}

/** @throws ServiceError BackupNotPossible */
export async function refuseRestore(spec: AnySpec): Promise<void> {
  if (!isOrdinary(spec) && spec.restore !== undefined) await refused()
}
