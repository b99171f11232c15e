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

/** Azure's rule for names of Linux machines. */
export const namePattern = '[A-Za-z0-9]([A-Za-z0-9.\\-]{0,62}[A-Za-z0-9])?'

export function defaultName(): string {
  const letters = 'bcdfghjkmnpqrstvwxz23456789'
  const random = crypto.getRandomValues(new Uint8Array(5))
  return `vm-${[...random].map((byte) => letters[byte % letters.length]).join('')}`
}
