import type { Caller } from '@strongroom/platform'
import type { LogEntry } from './entry.ts'

/** The actor named in log entries: a caller, or a service on its own. */
export type By = Pick<Caller, 'objectId' | 'appId' | 'askedBy'>

/** The vault's own scheduled work: purges and rotations that are due. */
export const vaultItself: By = { objectId: 'vault', appId: 'vault' }

/** The control plane's own work, for example synchronising the vaults at its start. */
export const controlPlaneItself: Required<Pick<Caller, 'askedBy'>> = {
  askedBy: { objectId: 'control-plane', appId: 'control-plane' },
}

/** Fields of an entry. If the control plane calls, both its caller and the principal that it used are named. */
export function whoOf({ objectId, appId, askedBy }: By): Pick<LogEntry, 'objectId' | 'appId' | 'via'> {
  if (askedBy === undefined) return { objectId, appId }
  return { objectId: askedBy.objectId, appId: askedBy.appId, via: { service: 'control-plane', objectId, appId } }
}
