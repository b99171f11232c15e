import type { Base64Url } from './boot-evidence.ts'
import type { EllipticCurve, KeyOperation, KeyType, ReleaseWrapping } from './vault.ts'

/**
 * Extended key usage of the certificate whose key signs statements about keys, and of no other. Whoever verifies one checks it
 * beside the chain.
 */
export const keyAttestationUsage = '2.25.1915558653416488018734340383426880674'

/**
 * What the key service says of a key and of what holds it. The signature is the service's: it reports what the token answered
 * when it was asked. A token does not sign this, and a software keystore has nothing that could.
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

/** The private half is sealed in the service's database and lies in the service's memory while it is used. */
export interface SoftwareStanding {
  kind: 'software'
}

/** PKCS#11's own words for the object that holds the private half; absent is what the token did not answer. */
export interface TokenStanding {
  kind: 'pkcs11'
  token: { label: string; serial: string; manufacturer: string; model: string; hardware: string; firmware: string }
  object: {
    sensitive?: boolean
    /** Never since it was made was it not sensitive. */
    alwaysSensitive?: boolean
    extractable?: boolean
    neverExtractable?: boolean
    /** Made inside the token, and not brought into it. */
    local?: boolean
    private?: boolean
    modifiable?: boolean
  }
  /** Wrappings of a release, and where the fresh AES key of one is made. */
  releaseWrappings: Partial<Record<ReleaseWrapping, 'token' | 'memory'>>
}
