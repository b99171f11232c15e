/**
 * Wire of the key service, `https://{vault}.vault.strongroom.internal`: Key Vault's data plane for keys, with secure key
 * release, and one extension of ours.
 *
 * POST   /keys/{name}/create                              KeyCreateRequest → 200 KeyBundle       a new version under the name
 * GET    /keys/{name}[/{version}]                         → 200 KeyBundle
 * GET    /keys · /keys/{name}/versions · /deletedkeys     → 200 KeyList
 * PATCH  /keys/{name}[/{version}]                         KeyUpdateRequest → 200 KeyBundle
 * DELETE /keys/{name}                                     → 200 DeletedKeyBundle                 soft delete
 * GET    /deletedkeys/{name}                              → 200 DeletedKeyBundle
 * POST   /deletedkeys/{name}/recover                      → 200 KeyBundle
 * DELETE /deletedkeys/{name}                              → 204                                  purge: nothing opens it again
 * PUT    /keys/{name}                                     { key: JWK, hsm?, … } → 200 KeyBundle   import; `key_hsm` holds a KeyTransferBlob
 * GET    /keys/{name}[/{version}]/attestation             → 200 KeyBundle with attributes.attestation (key-attestation.ts)
 * POST   /keys/{name}[/{version}]/encrypt · decrypt · sign · wrapkey · unwrapkey   { alg, value, iv?, aad?, tag? } → 200 KeyOperationResult
 * POST   /keys/{name}[/{version}]/verify                  { alg, digest, value } → 200 KeyVerifyResult
 * POST   /keys/{name}/rotate                              → 200 KeyBundle
 * GET    /keys/{name}/rotationpolicy · PUT                → 200 KeyRotationPolicyBody
 * POST   /keys/{name}/backup · /keys/restore              → 200 { value } · KeyBundle
 * POST   /rng                                             { count } → 200 { value }
 * PUT    /secrets/{name}                                  { value, contentType?, attributes?, tags? } → 200 SecretBundle
 * GET    /secrets/{name}[/{version}], PATCH, DELETE, lists, deleted secrets, backup and restore: as for keys
 * POST   /keys/{name}[/{version}]/release                 KeyReleaseRequest → 200 KeyReleaseAnswer
 * POST   /keys/{name}/{version}/guest-state-generation    GuestStateGenerationRequest → 200 GuestStateGeneration
 * POST   /keys/{name}/{version}/latest-launch             { nonce } → 200 SignedLatestLaunch
 *
 * Each with `?api-version=`; bearer token with audience `vaultAudience`.
 */
import type { Base64Url } from './wires/host/boot-evidence.ts'

export type KeyType = 'RSA' | 'RSA-HSM' | 'EC' | 'EC-HSM' | 'oct' | 'oct-HSM'
/** P-256K is secp256k1. */
export type EllipticCurve = 'P-256' | 'P-384' | 'P-521' | 'P-256K'
export type KeyOperation =
  | 'encrypt'
  | 'decrypt'
  | 'sign'
  | 'verify'
  | 'wrapKey'
  | 'unwrapKey'
  | 'import'
  | 'export'
  | 'deriveKey'

/** RSNULL is PKCS#1 v1.5 over a value that the caller has encoded (RFC 2437 section 9.2.1 without DigestInfo). */
export type SignatureAlgorithm =
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'ES256K'
  | 'RSNULL'
  | MacAlgorithm
/** HMAC of the value as sent, under an oct key (RFC 7518 section 3.2). */
export type MacAlgorithm = 'HS256' | 'HS384' | 'HS512'
export type RsaEncryption = 'RSA1_5' | 'RSA-OAEP' | 'RSA-OAEP-256'
export type AesCipher =
  | 'A128GCM'
  | 'A192GCM'
  | 'A256GCM'
  | 'A128CBC'
  | 'A192CBC'
  | 'A256CBC'
  | 'A128CBCPAD'
  | 'A192CBCPAD'
  | 'A256CBCPAD'
/** CKM_AES_KEY_WRAP is RFC 3394 with the key's own size, CKM_AES_KEY_WRAP_PAD RFC 5649. */
export type AesWrapping = 'A128KW' | 'A192KW' | 'A256KW' | 'CKM_AES_KEY_WRAP' | 'CKM_AES_KEY_WRAP_PAD'

/** OAEP hash: SHA-1, SHA-256, SHA-384, in this order. The AES part is RFC 5649 under an AES-256 key in each. */
export type ReleaseWrapping = 'CKM_RSA_AES_KEY_WRAP' | 'RSA_AES_KEY_WRAP_256' | 'RSA_AES_KEY_WRAP_384'

/** What a host requests when it boots a VM. */
export const hostReleaseWrapping: ReleaseWrapping = 'RSA_AES_KEY_WRAP_256'

/** `attributes.attestation` of Key Vault 7.6-preview.2. */
export interface KeyAttestationBody {
  version: '1.0'
  /** Certificates of the statement's signer as PEM, leaf first. */
  certificatePemFile: Base64Url
  /** Compact JWS over a KeyAttestationStatement, with `x5c`. */
  privateKeyAttestation: Base64Url
}

export interface KeyAttributes {
  enabled?: boolean
  /** Seconds since 1970. */
  nbf?: number
  exp?: number
  created?: number
  updated?: number
  recoveryLevel?: string
  recoverableDays?: number
  exportable?: boolean
  hsmPlatform?: string
  /** Only on request, by `/attestation`. */
  attestation?: KeyAttestationBody
}

export interface KeyReleasePolicyBody {
  /** Default `application/json; charset=utf-8`. */
  contentType?: string
  /** A ReleasePolicy as JSON. */
  data: Base64Url
  immutable?: boolean
}

export interface JsonWebKeyBody {
  /** `https://{vault}/keys/{name}/{version}` */
  kid: string
  kty: KeyType
  key_ops: KeyOperation[]
  n?: Base64Url
  e?: Base64Url
  crv?: EllipticCurve
  x?: Base64Url
  y?: Base64Url
  /** In a released key only: a ReleasedKeyEnvelope as JSON. */
  key_hsm?: Base64Url
}

export interface KeyBundle {
  key: JsonWebKeyBody
  attributes: KeyAttributes
  tags: Record<string, string>
  release_policy?: KeyReleasePolicyBody
}

export interface DeletedKeyBundle extends KeyBundle {
  recoveryId: string
  /** Seconds since 1970. */
  deletedDate: number
  scheduledPurgeDate: number
}

export interface KeyItem {
  kid: string
  attributes: KeyAttributes
  tags: Record<string, string>
}

export interface KeyList {
  value: KeyItem[]
  nextLink: string | null
}

export interface KeyCreateRequest {
  kty: KeyType
  /** Bits: RSA 2048, 3072 or 4096; oct 128, 192 or 256. */
  key_size?: number
  crv?: EllipticCurve
  key_ops?: KeyOperation[]
  attributes?: Pick<KeyAttributes, 'enabled' | 'nbf' | 'exp' | 'exportable'>
  tags?: Record<string, string>
  release_policy?: KeyReleasePolicyBody
}

export interface KeyUpdateRequest {
  key_ops?: KeyOperation[]
  attributes?: Pick<KeyAttributes, 'enabled' | 'nbf' | 'exp' | 'exportable'>
  tags?: Record<string, string>
  release_policy?: KeyReleasePolicyBody
}

export interface KeyOperationResult {
  /** The version used. */
  kid: string
  value: Base64Url
  /** AES only. */
  iv?: Base64Url
  tag?: Base64Url
  aad?: Base64Url
}

export interface KeyVerifyResult {
  value: boolean
}

export interface RotationAction {
  /** ISO 8601 durations of years, months and days; one of the two. */
  trigger: { timeAfterCreate?: string; timeBeforeExpiry?: string }
  action: { type: 'Rotate' | 'Notify' }
}

export interface RotationPolicy {
  lifetimeActions: RotationAction[]
  attributes: { expiryTime?: string }
}

export interface KeyRotationPolicyBody extends RotationPolicy {
  /** `https://{vault}/keys/{name}/rotationpolicy` */
  id: string
  attributes: { expiryTime?: string; created?: number; updated?: number }
}

export interface SecretAttributes {
  enabled?: boolean
  /** Seconds since 1970. */
  nbf?: number
  exp?: number
  created?: number
  updated?: number
  recoveryLevel?: string
  recoverableDays?: number
}

export interface SecretItem {
  /** `https://{vault}/secrets/{name}[/{version}]` */
  id: string
  contentType?: string
  attributes: SecretAttributes
  tags: Record<string, string>
}

export interface SecretBundle extends SecretItem {
  /** Absent for deleted secrets, and in the answer to an update. */
  value?: string
}

export interface DeletedSecretFields {
  recoveryId: string
  deletedDate: number
  scheduledPurgeDate: number
}

export interface KeyReleaseRequest {
  /** Token of an authority named by the key's release policy. */
  target: string
  nonce?: string
  /** Default CKM_RSA_AES_KEY_WRAP. */
  enc?: ReleaseWrapping
}

export interface KeyReleaseAnswer {
  /** JWS (compact) over a ReleasedKey, with `x5c`. */
  value: string
}

/** Payload of the JWS. */
export interface ReleasedKey {
  request: { 'api-version': string; enc: ReleaseWrapping; kid: string; nonce?: string }
  response: { key: KeyBundle }
}

/** Content of `key_hsm`. */
export interface ReleasedKeyEnvelope {
  schema_version: '1.0'
  /** `kid` of the wrapping key, as the token named it. */
  header: { kid: string; alg: 'dir'; enc: ReleaseWrapping }
  /** RSA-OAEP(wrapping key, AES-256 key) ‖ AES-KWP(AES-256 key, private key as PKCS#8; oct keys raw). */
  ciphertext: Base64Url
}

/**
 * Key from another HSM, in `key_hsm` of an import (Key Vault's "bring your own key" specification): wrapped like a
 * released key, for an RSA-HSM key of the same vault whose only operation is `import`.
 */
export interface KeyTransferBlob {
  schema_version: '1.0' | '1.0.0'
  /** `kid` is the address of the key exchange key. */
  header: { kid: string; alg: 'dir'; enc: ReleaseWrapping }
  ciphertext: Base64Url
  generator?: string
}

export type { GuestStateGeneration, GuestStateGenerationRequest, SignedLatestLaunch } from './wires/vault/vault-wire.ts'

/** Which launch raised the counter of a guest state last, signed with the caller's nonce. */
export interface LatestLaunch {
  /** Key identifier with version. */
  kid: string
  nonce: string
  generation: number
  /** SHA-256 of its claims, hexadecimal; null before the first, and if a release before this one counted it. */
  launch: string | null
}

/** Tag of a released key: the lowest generation of the guest state that counts as not rolled back, as a decimal. */
export const guestStateGenerationTag = 'x-strongroom-guest-state-generation'

/**
 * Tags of a released platform key, if the installation lists its firmware: the signed list that the vault decided by,
 * what the VM ran before this boot (JSON: version, securityVersion, sha256; absent at the first), and what its owner
 * allows.
 */
export const firmwareTags = {
  list: 'x-strongroom-firmware-list',
  before: 'x-strongroom-firmware-before',
  updates: 'x-strongroom-firmware-updates',
} as const

/**
 * Extended key usage of the only certificate whose key signs releases. Verifiers check it besides the chain: the
 * installation's authority certifies other keys too (TLS, attestation keys).
 */
export const releaseSigningUsage = '2.25.147696067065786452792026812096259586704'

/** Operands of each operator on a claim: values of one type, order of numbers, presence. */
export interface ClaimOperands {
  equals: string | number | boolean
  notEquals: string | number | boolean
  less: number
  lessOrEquals: number
  greater: number
  greaterOrEquals: number
  exists: boolean
}

export type ClaimOperator = keyof ClaimOperands

/** One operator on a claim, named by its path into the token's claims, separated by dots. */
export type ClaimCondition = {
  [Operator in ClaimOperator]: { claim: string } & Record<Operator, ClaimOperands[Operator]>
}[ClaimOperator]

export type ReleaseCondition = ClaimCondition | { allOf: ReleaseCondition[] } | { anyOf: ReleaseCondition[] }

export type ReleaseAuthority = { authority: string } & ({ allOf: ReleaseCondition[] } | { anyOf: ReleaseCondition[] })

/** Key Vault's release policy grammar, version 1.0.0. */
export interface ReleasePolicy {
  version: '1.0.0'
  anyOf: ReleaseAuthority[]
  /** Present if the text spells the list of authorities this way; it then has one entry. */
  writtenAs?: 'allOf'
}

/** The policy of `az keyvault key create --default-cvm-policy`: any confidential VM that this authority attests. */
export const defaultCvmReleasePolicy = (authority: string): ReleasePolicy => ({
  version: '1.0.0',
  anyOf: [{ authority, allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }] }],
})

/** Policy of a VM's platform key: no other VM's token opens it. `vmId` is compared exactly, including case. */
export const platformKeyReleasePolicy = (o: {
  authority: string
  attestationType: 'sevsnpvm' | 'tdxvm'
  vmId: string
}): ReleasePolicy => ({
  version: '1.0.0',
  anyOf: [
    {
      authority: o.authority,
      allOf: [
        { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' },
        { claim: 'x-ms-attestation-type', equals: o.attestationType },
        { claim: 'x-ms-runtime.vm-configuration.vmUniqueId', equals: o.vmId },
      ],
    },
  ],
})
