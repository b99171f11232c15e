import type { Caller } from '@strongroom/platform'
import type { LogEntry } from './entry.ts'

/** Who acts, as entries of the log name it: a caller, or a service on its own. */
export type By = Pick<Caller, 'objectId' | 'appId' | 'askedBy'>

/** What the vault does at its time and nobody asked for: purges and rotations that are due. */
export const vaultItself: By = { objectId: 'vault', appId: 'vault' }

/** What the control plane does and nobody asked for, for example telling the vaults again at its start. */
export const controlPlaneItself: Required<Pick<Caller, 'askedBy'>> = {
  askedBy: { objectId: 'control-plane', appId: 'control-plane' },
}

/** Fields of an entry. Where the control plane calls, who asked it is named, and it with the principal that it called as. */
export function whoOf({ objectId, appId, askedBy }: By): Pick<LogEntry, 'objectId' | 'appId' | 'via'> {
  if (askedBy === undefined) return { objectId, appId }
  return { objectId: askedBy.objectId, appId: askedBy.appId, via: { service: 'control-plane', objectId, appId } }
}
