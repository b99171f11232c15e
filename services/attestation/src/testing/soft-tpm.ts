import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { placementUnit } from '@strongroom/contract'
import { ByteWriter, objectAttributes, parsePem, pcrPolicyDigest } from '@strongroom/evidence'
import { kept } from '@strongroom/platform/testing'
import { bootRecords, digestOf, type LogRecord } from './guest-log.ts'
import { attestationKeyUsageExtension, testAuthority } from './guest.ts'

const sized = (bytes: Uint8Array): Uint8Array => new ByteWriter().u16be(bytes.length).bytes(bytes).finish()
const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return Uint8Array.from(hash.digest())
}
const pair = (name: string): { publicKey: KeyObject; privateKey: KeyObject } =>
  kept(name, () => generateKeyPairSync('rsa', { modulusLength: 2048 }))
const jwkOf = ({ publicKey }: { publicKey: KeyObject }): { kty: 'RSA'; n: string; e: string } => {
  const { n, e } = publicKey.export({ format: 'jwk' })
  return { kty: 'RSA', n: n!, e: e! }
}

/** Contents of a statement besides its subject; by default one second into a boot. */
export interface StatementParts {
  nonce?: Uint8Array
  clock?: bigint
  resetCount?: number
  restartCount?: number
}

/**
 * An attestation key outside any TPM, certified like one inside: its holder can state anything, at once, so that a
 * statement can have a single fault. A TPM's own behaviour is tested with a real one (`GuestTpm`).
 */
export class SoftTpm {
  readonly vmId: string = 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE'
  readonly #key = pair('soft-tpm')
  /** For encryption; its private half is not needed. */
  readonly #other = pair('soft-tpm-other')
  readonly certificate: Uint8Array
  readonly caPem: string

  private constructor(o: { certificate: Uint8Array; caPem: string }) {
    this.certificate = o.certificate
    this.caPem = o.caPem
  }

  static async make(): Promise<SoftTpm> {
    return new SoftTpm(await kept('soft-tpm-certificate', certifySoftTpm))
  }

  get jwk(): { kty: 'RSA'; n: string; e: string } {
    return jwkOf(this.#key)
  }

  /** DER of the attestation key's SubjectPublicKeyInfo. */
  get spki(): Uint8Array {
    return this.#key.publicKey.export({ type: 'spki', format: 'der' })
  }

  get encryptionJwk(): { kty: 'RSA'; n: string; e: string } {
    return jwkOf(this.#other)
  }

  /** TPM2B_PUBLIC of the attestation key. */
  get akPublic(): Uint8Array {
    const { fixedTpm, fixedParent, sensitiveDataOrigin, restricted, sign: signs } = objectAttributes
    const attributes = fixedTpm | fixedParent | sensitiveDataOrigin | restricted | signs
    return publicArea(this.jwk.n, { attributes, policy: new Uint8Array(), scheme: [0x0014, 0x000b] })
  }

  /** TPM2B_PUBLIC of an encryption key that opens while the registers have these values. */
  async encryptionKey(pcrs: ReadonlyMap<number, Uint8Array>): Promise<Uint8Array> {
    const { fixedTpm, fixedParent, sensitiveDataOrigin, decrypt } = objectAttributes
    const attributes = fixedTpm | fixedParent | sensitiveDataOrigin | decrypt
    const policy = await pcrPolicyDigest(pcrs, 'sha256')
    return publicArea(this.encryptionJwk.n, { attributes, policy, scheme: [0x0015] })
  }

  /** Bare signature by RSASSA with SHA-256. */
  sign(message: Uint8Array): Uint8Array {
    return sign('sha256', message, this.#key.privateKey)
  }

  /** TPMT_SIGNATURE of the same. */
  signature(message: Uint8Array): Uint8Array {
    return new ByteWriter()
      .u16be(0x0014)
      .u16be(0x000b)
      .bytes(sized(this.sign(message)))
      .finish()
  }

  /** TPMS_ATTEST of a quote over these registers. */
  quote(pcrs: ReadonlyMap<number, Uint8Array>, o: StatementParts = {}): Uint8Array {
    const bitmap = new Uint8Array(3)
    for (const pcr of pcrs.keys()) bitmap[pcr >> 3]! |= 1 << (pcr & 7)
    const values = [...pcrs].toSorted(([left], [right]) => left - right).map(([, value]) => value)
    return header(0x8018, o)
      .u32be(1)
      .u16be(0x000b)
      .u8(3)
      .bytes(bitmap)
      .bytes(sized(sha256(...values)))
      .finish()
  }

  /** TPMS_ATTEST of a certified object. @param object its TPM2B_PUBLIC */
  certify(object: Uint8Array, o: StatementParts = {}): Uint8Array {
    const name = new ByteWriter()
      .u16be(0x000b)
      .bytes(sha256(object.subarray(2)))
      .finish()
    return header(0x8017, o).bytes(sized(name)).bytes(sized(name)).finish()
  }
}

/** For the key of a SoftTpm. @param epoch of the placement that the certificate names; none by default */
export async function certifySoftTpm(epoch?: number): Promise<{ certificate: Uint8Array; caPem: string }> {
  const authority = await testAuthority()
  const pem = await authority.issueCertificate({
    // Lower case: the id matters, not its spelling.
    subject: `CN=aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee${epoch === undefined ? '' : `, OU=${placementUnit(epoch)}`}`,
    publicKey: Uint8Array.from(pair('soft-tpm').publicKey.export({ type: 'spki', format: 'der' })),
    usages: ['digitalSignature'],
    days: 90,
    extensions: [attestationKeyUsageExtension],
  })
  await authority.remove()
  return { certificate: parsePem(pem)[0]!, caPem: authority.caPem }
}

function header(type: number, o: StatementParts): ByteWriter {
  const { nonce = new Uint8Array(), clock = 1000n, resetCount = 5, restartCount = 7 } = o
  const writer = new ByteWriter()
    .u32be(0xff544347)
    .u16be(type)
    .bytes(sized(new Uint8Array(34)))
    .bytes(sized(nonce))
  return writer.u64be(clock).u32be(resetCount).u32be(restartCount).u8(1).u64be(1n)
}

/** TPM2B_PUBLIC of an RSA key of 2048 bits (TPM 2.0 part 2, section 12.2). */
function publicArea(
  modulus: string,
  o: { attributes: number; policy: Uint8Array; scheme: readonly number[] },
): Uint8Array {
  const area = new ByteWriter().u16be(0x0001).u16be(0x000b).u32be(o.attributes).bytes(sized(o.policy)).u16be(0x0010)
  for (const part of o.scheme) area.u16be(part)
  return sized(
    area
      .u16be(2048)
      .u32be(0)
      .bytes(sized(Buffer.from(modulus, 'base64url')))
      .finish(),
  )
}

/** Register values after these records, at least the firmware's. */
export function extended(records: readonly LogRecord[] = bootRecords()): Map<number, Uint8Array> {
  const pcrs = new Map([0, 1, 2, 3, 4, 5, 6, 7].map((pcr): [number, Uint8Array] => [pcr, new Uint8Array(32)]))
  for (const record of records)
    pcrs.set(record.pcr, sha256(pcrs.get(record.pcr) ?? new Uint8Array(32), digestOf(record)))
  return pcrs
}

/** Windows' platform claim (NCRYPT_TPM_PLATFORM_ATTESTATION_STATEMENT): a quote with all registers. */
export function platformClaimOf(o: {
  quote: Uint8Array
  /** TPMT_SIGNATURE */
  signature: Uint8Array
  /** Absent ones are zero. */
  pcrs: ReadonlyMap<number, Uint8Array>
}): Uint8Array {
  const writer = new ByteWriter().u32le(0x414c5054).u32le(1).u32le(0x0b)
  writer
    .u32le(o.signature.length)
    .u32le(o.quote.length)
    .u32le(24 * 32)
  writer.bytes(o.signature).bytes(o.quote)
  for (let pcr = 0; pcr < 24; pcr++) writer.bytes(o.pcrs.get(pcr) ?? new Uint8Array(32))
  return writer.finish()
}
