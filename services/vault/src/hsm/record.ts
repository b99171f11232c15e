import { managedHsmVaultName } from '@strongroom/contract'
import type { DatabaseTransaction } from '@strongroom/platform'
import type { OperationLog } from '../log/operation-log.ts'

/** Who acts: a caller, or the service itself. */
export interface By {
  objectId: string
  appId: string
}

/** Entry of the HSM's own log for what was done with the HSM as a whole. */
export async function recordInHsmLog(
  log: OperationLog,
  tx: DatabaseTransaction,
  o: { by: By; operation: string; name: string; subject?: string },
): Promise<void> {
  const { objectId, appId } = o.by
  const vault = managedHsmVaultName(o.name)
  await log.appendIn(tx, {
    objectId,
    appId,
    operation: o.operation,
    vault,
    keyName: '',
    verdict: 'allowed',
    ...(o.subject !== undefined && { subject: o.subject }),
  })
}
