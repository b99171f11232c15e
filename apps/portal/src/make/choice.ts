/** Settings of a new machine; each has a default. */
export interface Choice {
  name: string
  group: string
  region: string
  /** publisher:offer:sku:version */
  image: string
  size: string
  encryption: string
  /** Resource id; empty for the platform's key only. */
  diskEncryptionSet: string
  adminUsername: string
  sshPublicKey: string
}

/** Manual choices; undefined returns to the default. */
export type Changes = { [Name in keyof Choice]?: Choice[Name] | undefined }

export const encryptions: readonly { value: string; name: string; words: string }[] = [
  {
    value: 'DiskWithVMGuestState',
    name: 'Disk and guest state',
    words: 'The whole OS disk is encrypted before the first boot; its key is released only to this machine.',
  },
  {
    value: 'VMGuestStateOnly',
    name: 'Guest state only',
    words: 'The TPM’s state is encrypted; the OS disk is not, beyond what the guest does itself.',
  },
  {
    value: 'NonPersistedTPM',
    name: 'Nothing is kept',
    words: 'The TPM is new at every boot and nothing in it is kept. Intel TDX only; you bring keys and verifier.',
  },
]

/** Azure's rule for names of Linux machines. */
export const namePattern = '[A-Za-z0-9]([A-Za-z0-9.\\-]{0,62}[A-Za-z0-9])?'

export function defaultName(): string {
  const letters = 'bcdfghjkmnpqrstvwxz23456789'
  const random = crypto.getRandomValues(new Uint8Array(5))
  return `vm-${[...random].map((byte) => letters[byte % letters.length]).join('')}`
}
