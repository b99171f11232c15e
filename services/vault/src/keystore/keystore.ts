import type { EllipticCurve, ReleaseWrapping } from '@strongroom/contract'

export type KeySpec =
  | { type: 'RSA'; bits: 2048 | 3072 | 4096 }
  | { type: 'EC'; curve: EllipticCurve }
  | { type: 'oct'; bits: 128 | 192 | 256 }

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

/** What holds private keys. They are used inside and leave only wrapped. */
export interface Keystore {
  generate(spec: KeySpec, binding: KeyBinding): Promise<{ publicParts: PublicParts; material: Uint8Array }>
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
  /** The same material under another binding; for a change of a release policy that may change. */
  rebind(material: Uint8Array, from: KeyBinding, to: KeyBinding): Promise<Uint8Array>
}
