export type { BackupManifest, BackupRequest, BackupStatus, RestoreKey, RestoreOffer } from '../wires/host/backups.ts'

/** Of the owner's signature over a statement or a manifest (SSHSIG). */
export const backupNamespace = 'backup@strongroom'

/**
 * What an owner signs to have a VM backed up. The host passes the request to the paravisor: without a signature, the
 * host's operator could have the guest state wrapped for their own key.
 */
export const backupStatement = (o: { vmId: string; recipient: string; expires: Date }): string =>
  `strongroom-backup 1\nvm: ${o.vmId.toUpperCase()}\nrecipient: ${o.recipient}\nexpires: ${o.expires.toISOString()}\n`

/** Claims of a restored VM, under `vm-configuration`: the backup it was restored from. */
export interface RestoredFrom {
  /** Upper-case GUID of the VM that was backed up. */
  vmUniqueId: string
  madeAt: string
  /** Of its guest state at that time. */
  generation: number
  /** SHA-256 of the manifest, hexadecimal. */
  manifest: string
}
export const restoredClaim = 'restored-from'
