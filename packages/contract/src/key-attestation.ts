import type { Base64Url } from './wires/host/boot-evidence.ts'
import type { EllipticCurve, KeyOperation, KeyType, ReleaseWrapping } from './vault.ts'

/** Extended key usage of the only certificate whose key signs statements about keys. Verifiers check it besides the chain. */
export const keyAttestationUsage = '2.25.1915558653416488018734340383426880674'

/**
 * The key service's statement about a key and its holder. The signature is the service's: it reports the token's
 * answers. A token does not sign this, and a software keystore could not.
 */
export interface KeyAttestationStatement {
  statement: 'strongroom-key-attestation'
  version: '1.0'
  /** Seconds since 1970. */
  iat: number
  key: {
    /** `https://{vault}/keys/{name}/{version}` */
    kid: string
    kty: KeyType
    key_ops: KeyOperation[]
    n?: Base64Url
    e?: Base64Url
    crv?: EllipticCurve
    x?: Base64Url
    y?: Base64Url
  }
  exportable: boolean
  /** SHA-256 of the release policy's bytes, hexadecimal; absent without one. */
  releasePolicySha256?: string
  keystore: KeyStanding
}

export type KeyStanding = SoftwareStanding | TokenStanding

/** The private half is sealed in the service's database and in the service's memory while in use. */
export interface SoftwareStanding {
  kind: 'software'
}

/** PKCS#11's attributes of the private half's object; absent if the token did not answer. */
export interface TokenStanding {
  kind: 'pkcs11'
  token: { label: string; serial: string; manufacturer: string; model: string; hardware: string; firmware: string }
  object: {
    sensitive?: boolean
    /** It has been sensitive ever since its creation. */
    alwaysSensitive?: boolean
    extractable?: boolean
    neverExtractable?: boolean
    /** Created inside the token, not imported. */
    local?: boolean
    private?: boolean
    modifiable?: boolean
  }
  /** Wrappings of a release, and where its fresh AES key is created. */
  releaseWrappings: Partial<Record<ReleaseWrapping, 'token' | 'memory'>>
}
