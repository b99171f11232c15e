import type {
  AesCipher,
  AesWrapping,
  EllipticCurve,
  KeyStanding,
  MacAlgorithm,
  ReleaseWrapping,
  RsaEncryption,
  SignatureAlgorithm,
} from '@strongroom/contract'

/** A purpose lasts for the key's life; a token creates the key for it alone. */
export type KeySpec =
  /** `exchange`: only unwraps keys from other HSMs. */
  | { type: 'RSA'; bits: 2048 | 3072 | 4096; purpose?: 'exchange' }
  | { type: 'EC'; curve: EllipticCurve }
  /** `mac`: signs and verifies only. Tokens refuse one key for both AES and HMAC. */
  | { type: 'oct'; bits: 128 | 192 | 256; purpose?: 'mac' }

/** Public half as a JWK's fields; empty for an oct key. */
export interface PublicParts {
  n?: string
  e?: string
  x?: string
  y?: string
}

/**
 * Where a key belongs and under which rule it may leave. A driver binds the material to it, so that a row that is
 * moved, made exportable or given another release policy behind the service's back no longer opens.
 */
export interface KeyBinding {
  vault: string
  name: string
  version: string
  exportable: boolean
  /** SHA-256 of the release policy's bytes, hexadecimal; empty without one. */
  policyHash: string
}

/** One use of the secret half of a key. Uses of the public half need no keystore. */
export type KeyUse =
  /** RSA and EC; `value` is the digest, of the algorithm's length. EC signatures are r ‖ s. */
  | { operation: 'sign'; algorithm: Exclude<SignatureAlgorithm, MacAlgorithm>; value: Uint8Array }
  /** oct. */
  | { operation: 'mac'; algorithm: MacAlgorithm; value: Uint8Array }
  /** RSA. */
  | { operation: 'decrypt'; algorithm: RsaEncryption; value: Uint8Array }
  /** oct, RFC 3394 or 5649. */
  | { operation: 'wrap' | 'unwrap'; algorithm: AesWrapping; value: Uint8Array }
  /** oct. For GCM the keystore creates the initialisation vector and returns a tag; for CBC the caller provides 16 bytes. */
  | { operation: 'seal'; algorithm: AesCipher; value: Uint8Array; iv?: Uint8Array; aad?: Uint8Array }
  | { operation: 'open'; algorithm: AesCipher; value: Uint8Array; iv: Uint8Array; aad?: Uint8Array; tag?: Uint8Array }

export interface KeyUseResult {
  value: Uint8Array
  iv?: Uint8Array
  tag?: Uint8Array
}

/** What holds private keys. They are used inside and leave only wrapped. */
export interface Keystore {
  /** Whether it stores keys beside our rows, which must then be destroyed there too. */
  keepsKeys: boolean
  generate(spec: KeySpec, binding: KeyBinding): Promise<{ publicParts: PublicParts; material: Uint8Array }>
  /**
   * Accepts a key created elsewhere.
   * @param secret PKCS#8 DER, or the raw bytes of an oct key; overwritten once accepted
   * @throws ServiceError KeyImportNotSupported if the keystore accepts none
   */
  importKey(secret: Uint8Array, binding: KeyBinding): Promise<{ material: Uint8Array }>
  /**
   * Accepts a key that another HSM wrapped as `wrapForRelease` does, for a key of this keystore with the purpose
   * `exchange`.
   * @throws ServiceError 400 BadParameter, with one message for every failure to unwrap; KeyImportNotSupported
   */
  importWrapped(o: {
    exchange: { material: Uint8Array; binding: KeyBinding; bits: number }
    wrapped: Uint8Array
    algorithm: ReleaseWrapping
    spec: { type: KeySpec['type']; purpose?: string }
    binding: KeyBinding
  }): Promise<{ material: Uint8Array; publicParts: PublicParts; spec: KeySpec }>
  /**
   * @throws ServiceError KeyMaterialUnreadable if the material does not open under this binding; 400 BadParameter if
   * the value does not decrypt, always with the same message
   */
  use(o: { material: Uint8Array; binding: KeyBinding; spec: KeySpec; use: KeyUse }): Promise<KeyUseResult>
  /**
   * RSA-OAEP(wrapping key, fresh AES-256 key) ‖ AES-KWP(AES key, PKCS#8 or raw oct).
   * @throws ServiceError KeyMaterialUnreadable if the material does not open under this binding
   */
  wrapForRelease(o: {
    material: Uint8Array
    binding: KeyBinding
    wrappingKey: { n: string; e: string }
    algorithm: ReleaseWrapping
  }): Promise<Uint8Array>
  /** The same material under another binding, for a changed release policy and for restoring. */
  rebind(material: Uint8Array, from: KeyBinding, to: KeyBinding): Promise<Uint8Array>
  /**
   * The key in the clear (PKCS#8 DER or raw bytes), for a full backup under a security domain. The caller overwrites
   * it.
   * @throws ServiceError KeyExportNotSupported if no key can leave
   */
  exportKey(material: Uint8Array, binding: KeyBinding): Promise<Uint8Array>
  /** What holds the key and what it reports about the key, queried each time. */
  standing(material: Uint8Array, binding: KeyBinding): Promise<KeyStanding>
  /** Permanently, when the key is purged; a missing key is not an error. */
  destroy(material: Uint8Array, binding: KeyBinding): Promise<void>
  /** Disconnects from the token, if there is one. */
  close(): void
}
