import { constants, createPublicKey, publicEncrypt } from 'node:crypto'
import type { TdxEvidence } from '@strongroom/contract'
import {
  parseTpm2bPublic,
  parseTpmsAttest,
  verifyAzureEvidence,
  verifyCertify,
  type TpmSignature,
  type TrustAnchors,
  type VerifiedAzure,
} from '@strongroom/evidence'

/** Files that `attest-guest evidence` leaves in its folder, by name. */
export type GuestFiles = Readonly<Record<string, Uint8Array>>

export const evidenceFiles = [
  'hcl.bin',
  'proof',
  'attestation-key.pub',
  'key.pub',
  'certify.bin',
  'certify.sig',
  'quote.bin',
  'quote.sig',
  'registers.bin',
] as const

const header = 1236

/** As tpm2-tools write it with --format plain. */
const plain = (signature: Uint8Array): TpmSignature => ({ scheme: 'rsassa', hash: 'sha256', signature })

/**
 * A tenant's own relying party: verifies a guest's evidence with only the processor's roots, and seals a secret to the
 * key that the guest's vTPM certified beside it. It calls no service of the operator.
 */
export async function sealToGuest(o: {
  files: GuestFiles
  nonce: string
  anchors: TrustAnchors
  collateral: TdxEvidence['collateral']
  secret: Uint8Array
  at: Date
}): Promise<{ verified: VerifiedAzure; sealed: Uint8Array }> {
  const file = (name: (typeof evidenceFiles)[number]): Uint8Array => new Uint8Array(o.files[name]!)
  const hcl = Buffer.from(file('hcl.bin'))
  const registers = file('registers.bin')
  const signer = { akPublic: file('attestation-key.pub') }
  const collateral = {
    ...o.collateral,
    pckCrl: Buffer.from(o.collateral.pckCrl, 'base64url'),
    rootCaCrl: Buffer.from(o.collateral.rootCaCrl, 'base64url'),
  }
  const verified = await verifyAzureEvidence({
    // The index is padded with zeros.
    hclReport: new Uint8Array(hcl.subarray(0, header + hcl.readUInt32LE(header - 4))),
    hardware: { kind: 'TDX', quote: file('proof'), collateral },
    akPublic: signer.akPublic,
    tpmQuote: {
      message: file('quote.bin'),
      signature: plain(file('quote.sig')),
      pcrs: new Map(Array.from({ length: 8 }, (_, index) => [index, registers.slice(index * 32, index * 32 + 32)])),
      nonce: new TextEncoder().encode(o.nonce),
    },
    anchors: o.anchors,
    at: o.at,
  })
  await verifyCertify({
    message: file('certify.bin'),
    signature: plain(file('certify.sig')),
    akPublic: signer.akPublic,
    // tpm2_certify puts four bytes of its own there; the key is fresh because it exists only in this boot's TPM.
    nonce: parseTpmsAttest(file('certify.bin')).extraData,
    objectPublic: file('key.pub'),
  })
  const { key: shown } = parseTpm2bPublic(file('key.pub'))
  if (shown.kind !== 'rsa') throw new TypeError('the guest showed no RSA key')
  const jwk = { kty: 'RSA', n: Buffer.from(shown.modulus).toString('base64url'), e: 'AQAB' }
  const key = createPublicKey({ key: jwk, format: 'jwk' })
  return { verified, sealed: publicEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, o.secret) }
}
