import { managedHsmVaultName } from '@strongroom/contract'
import type { DatabaseTransaction } from '@strongroom/platform'
import type { OperationLog } from '../log/operation-log.ts'
import { whoOf, type By } from '../log/who.ts'

/** Entry in the HSM's own log for operations on the HSM as a whole. */
export async function recordInHsmLog(
  log: OperationLog,
  tx: DatabaseTransaction,
  o: { by: By; operation: string; name: string; subject?: string },
): Promise<void> {
  const vault = managedHsmVaultName(o.name)
  await log.appendIn(tx, {
    ...whoOf(o.by),
    operation: o.operation,
    vault,
    keyName: '',
    verdict: 'allowed',
    ...(o.subject !== undefined && { subject: o.subject }),
  })
}
