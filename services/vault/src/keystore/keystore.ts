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

/** A purpose is for all of a key's life; a token makes the key for it alone. */
export type KeySpec =
  /** `exchange`: keys that come from other HSMs are wrapped to it, and it does nothing else. */
  | { type: 'RSA'; bits: 2048 | 3072 | 4096; purpose?: 'exchange' }
  | { type: 'EC'; curve: EllipticCurve }
  /** `mac`: signs and verifies only. Tokens do not take a key for AES and for HMAC. */
  | { type: 'oct'; bits: 128 | 192 | 256; purpose?: 'mac' }

/** Public half as a JWK's fields; of an oct key nothing is public. */
export interface PublicParts {
  n?: string
  e?: string
  x?: string
  y?: string
}

/**
 * Where a key belongs and under which rule it may leave. A driver binds the material to it, so that a row that was
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
  /** RSA and EC; `value` is the digest, of the length that the algorithm wants. Signatures of EC are r ‖ s. */
  | { operation: 'sign'; algorithm: Exclude<SignatureAlgorithm, MacAlgorithm>; value: Uint8Array }
  /** oct. */
  | { operation: 'mac'; algorithm: MacAlgorithm; value: Uint8Array }
  /** RSA. */
  | { operation: 'decrypt'; algorithm: RsaEncryption; value: Uint8Array }
  /** oct, RFC 3394 or 5649. */
  | { operation: 'wrap' | 'unwrap'; algorithm: AesWrapping; value: Uint8Array }
  /** oct. For GCM the keystore makes the initialisation vector and gives a tag; for CBC the caller gives 16 bytes. */
  | { operation: 'seal'; algorithm: AesCipher; value: Uint8Array; iv?: Uint8Array; aad?: Uint8Array }
  | { operation: 'open'; algorithm: AesCipher; value: Uint8Array; iv: Uint8Array; aad?: Uint8Array; tag?: Uint8Array }

export interface KeyUseResult {
  value: Uint8Array
  iv?: Uint8Array
  tag?: Uint8Array
}

/** What holds private keys. They are used inside and leave only wrapped. */
export interface Keystore {
  /** Whether keys lie in it beside our rows, and so have to be destroyed in it too. */
  keepsKeys: boolean
  generate(spec: KeySpec, binding: KeyBinding): Promise<{ publicParts: PublicParts; material: Uint8Array }>
  /**
   * Takes a key that was made elsewhere.
   * @param secret PKCS#8 DER, or the raw bytes of an oct key; overwritten when taken
   * @throws ServiceError KeyImportNotSupported where the keystore takes none
   */
  importKey(secret: Uint8Array, binding: KeyBinding): Promise<{ material: Uint8Array }>
  /**
   * Takes a key that another HSM wrapped as `wrapForRelease` does, for a key of this keystore with the purpose `exchange`.
   * @throws ServiceError 400 BadParameter, in the same words whatever of it does not unwrap; KeyImportNotSupported
   */
  importWrapped(o: {
    exchange: { material: Uint8Array; binding: KeyBinding; bits: number }
    wrapped: Uint8Array
    algorithm: ReleaseWrapping
    spec: { type: KeySpec['type']; purpose?: string }
    binding: KeyBinding
  }): Promise<{ material: Uint8Array; publicParts: PublicParts; spec: KeySpec }>
  /**
   * @throws ServiceError KeyMaterialUnreadable where the material does not open under this binding; 400 BadParameter
   * where the value does not decrypt, always in the same words
   */
  use(o: { material: Uint8Array; binding: KeyBinding; spec: KeySpec; use: KeyUse }): Promise<KeyUseResult>
  /**
   * RSA-OAEP(wrapping key, fresh AES-256 key) ‖ AES-KWP(AES key, PKCS#8 or raw oct).
   * @throws ServiceError KeyMaterialUnreadable where the material does not open under this binding
   */
  wrapForRelease(o: {
    material: Uint8Array
    binding: KeyBinding
    wrappingKey: { n: string; e: string }
    algorithm: ReleaseWrapping
  }): Promise<Uint8Array>
  /** The same material under another binding; for a change of a release policy that may change, and for restoring. */
  rebind(material: Uint8Array, from: KeyBinding, to: KeyBinding): Promise<Uint8Array>
  /**
   * The key in the clear (PKCS#8 DER or raw bytes), for a full backup under a security domain. The caller overwrites it.
   * @throws ServiceError KeyExportNotSupported where no key leaves
   */
  exportKey(material: Uint8Array, binding: KeyBinding): Promise<Uint8Array>
  /** What holds the key and what that says of it, asked again. */
  standing(material: Uint8Array, binding: KeyBinding): Promise<KeyStanding>
  /** For ever, when the key is purged; a key that is gone already is not an error. */
  destroy(material: Uint8Array, binding: KeyBinding): Promise<void>
  /** Lets go of the token, where there is one. */
  close(): void
}
