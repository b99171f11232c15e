/** Times are seconds since 1970; booleans 0 and 1; JSON as text. */
export interface VaultRow {
  /** Lower case. */
  name: string
  resource_id: string
  /** VaultDefinition as JSON. */
  definition: string
  /** ISO time. */
  created_at: string
  deleted_at: number | null
  purge_at: number | null
}

/** The common row of all versions of one name. */
export interface ObjectRow {
  vault: string
  /** Lower case: names are compared without case, and shown as first written. */
  name: string
  shown_name: string
  deleted_at: number | null
  purge_at: number | null
  /** 1 for a key or a secret that belongs to the certificate of its name. */
  managed?: number | null | undefined
}

export interface CertificateObjectRow extends ObjectRow {
  /** CertificatePolicy as JSON. */
  policy: string | null
  /** When the policy creates the next version. */
  renew_at: number | null
}

/** A request for a certificate that is to be signed elsewhere. */
export interface CertificatePendingRow {
  vault: string
  name: string
  shown_name: string
  version: string
  /** CertificatePolicy as JSON. */
  policy: string
  /** KeyVersionRow as JSON. */
  key: string
  /** Base64 of the request's DER. */
  csr: string
}

export interface CertificateVersionRow extends VersionRow {
  /** Base64 of the certificate's DER. */
  cer: string
}

export interface KeyObjectRow extends ObjectRow {
  /** RotationPolicy as JSON; null is Azure's default. */
  rotation_policy: string | null
  /** When the policy creates the next version. */
  rotate_at: number | null
}

/** What versions of keys and secrets have in common. */
export interface VersionRow {
  vault: string
  name: string
  version: string
  /** Order of the versions of one name; the highest is the current one. */
  ordinal: number
  enabled: number
  nbf: number | null
  exp: number | null
  created: number
  updated: number
  tags: string
}

export interface KeyVersionRow extends VersionRow {
  kty: string
  key_ops: string
  public_jwk: string
  /** Base64 of what the keystore returned; useless without the keystore's key. */
  material: string
  exportable: number
  release_policy: string | null
  policy_content_type: string | null
  policy_immutable: number
  guest_state_generation: number
  /** SHA-256 of the claims of the launch that counted it, hexadecimal; null before the first. */
  guest_state_launch: string | null
}

export interface SecretVersionRow extends VersionRow {
  content_type: string | null
  /** Base64 of the value, sealed for this vault, name and version. */
  sealed: string
}

/** Where the VM of a platform key is placed now: the key is released to nobody else. */
export interface KeyPlacementRow {
  vault: string
  name: string
  version: string
  epoch: number
  /** SHA-256 of the ticket, hexadecimal. */
  ticket_hash: string
}

/** Which firmware the VM of platform keys may be launched with, and which it ran last. */
export interface VmFirmwareRow {
  /** Upper case. */
  vm_id: string
  /** FirmwareUpdates */
  updates: string
  /** Of the firmware it ran last, hexadecimal; null before its first boot, like the two below. */
  sha256: string | null
  version: string | null
  security_version: number | null
}

/** Which settings a platform key's VM was first released with. */
export interface VmSettingsRow {
  /** Upper case. */
  vm_id: string
  /** Hexadecimal. */
  sha256: string
}

/** The newest list of firmware used in a decision: no list signed before it counts again. */
export interface FirmwareListRow {
  id: number
  /** ISO time. */
  signed_at: string
  /** SHA-256 of the list, hexadecimal. */
  digest: string
}

export interface VaultSecretRow {
  name: string
  sealed: string
}
