import { ia5String, integer, authorityExtensions, type Extension } from '@strongroom/der'
import {
  amdOid,
  encodeTcb,
  reversed,
  toHex,
  type SnpChain,
  type SnpProduct,
  type TcbVersion,
} from '@strongroom/evidence'
import { issueCertificate, keyIdentifierExtensions } from '../pki/certificate-writer.ts'
import { issueCrl } from '../pki/crl-writer.ts'
import { loadOrCreateKey, signRaw, type SigningKey } from '../pki/keys.ts'
import { memoryKeyStore } from '../testing.ts'
import { made, until } from './times.ts'

/** The holder of all keys of an authority with AMD's names. All are P-384, which are generated in milliseconds. */

export const chipTcb: TcbVersion = { fmc: 0, bootLoader: 4, tee: 1, snp: 29, microcode: 222 }
export const chipId: Uint8Array = Uint8Array.from({ length: 64 }, (_, index) => index + 1)
export interface Hierarchy {
  ark: SigningKey
  ask: SigningKey
  vcek: SigningKey
}

export async function openHierarchy(): Promise<Hierarchy> {
  const store = memoryKeyStore()
  const key = (name: string): Promise<SigningKey> => loadOrCreateKey(store, name, 'ecdsa-p384-sha384')
  return { ark: await key('ark'), ask: await key('ask'), vcek: await key('vcek') }
}

/** Extensions of a chip's certificate by name; `undefined` omits one. */
export type EndorsementChange = Partial<Record<keyof typeof amdOid, Uint8Array | undefined>>

function endorsementExtensions(change: EndorsementChange = {}): Extension[] {
  const values: EndorsementChange = {
    structVersion: integer(1),
    productName: ia5String('Milan-B0'),
    bootLoader: integer(chipTcb.bootLoader),
    tee: integer(chipTcb.tee),
    snp: integer(chipTcb.snp),
    microcode: integer(chipTcb.microcode),
    hardwareId: chipId,
    ...change,
  }
  return Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [{ oid: amdOid[name as keyof typeof amdOid], value }],
  )
}

export interface ChainChange {
  ark?: string
  ask?: string
  leaf?: string
  endorsement?: EndorsementChange
  /** SubjectPublicKeyInfo of the leaf. */
  leafKey?: Uint8Array
}

/** Leaf, intermediate and root, signed by these keys. */
export async function issueChain(keys: Hierarchy, o: ChainChange = {}): Promise<SnpChain> {
  const { ark = 'ARK-Milan', ask = 'SEV-Milan', leaf = 'SEV-VCEK' } = o
  const validity = { notBefore: made, notAfter: until }
  return {
    ark: await issueCertificate({
      serialNumber: 1n,
      subject: [['CN', ark]],
      issuer: [['CN', ark]],
      subjectKey: keys.ark.spki,
      signer: keys.ark,
      extensions: [...(await keyIdentifierExtensions(keys.ark.spki, keys.ark.spki)), ...authorityExtensions()],
      ...validity,
    }),
    ask: await issueCertificate({
      serialNumber: 2n,
      subject: [['CN', ask]],
      issuer: [['CN', ark]],
      subjectKey: keys.ask.spki,
      signer: keys.ark,
      extensions: [...(await keyIdentifierExtensions(keys.ask.spki, keys.ark.spki)), ...authorityExtensions(0)],
      ...validity,
    }),
    vcek: await issueCertificate({
      serialNumber: 3n,
      subject: [['CN', leaf]],
      issuer: [['CN', ask]],
      subjectKey: o.leafKey ?? keys.vcek.spki,
      signer: keys.ask,
      ...validity,
      extensions: endorsementExtensions(o.endorsement),
    }),
  }
}

/** A list of `issuer`, signed by `signer`. */
export async function issueList(
  issuer: string,
  signer: SigningKey,
  revoked: readonly bigint[] = [],
): Promise<Uint8Array> {
  return await issueCrl({
    issuer: [['CN', issuer]],
    signer,
    number: 1n,
    thisUpdate: made,
    nextUpdate: until,
    revoked: revoked.map((serialNumber) => ({
      serialNumber,
      date: made,
    })),
  })
}

/** Offsets of a report's security versions (AMD 56860, ATTESTATION_REPORT). */
export const tcbAt = { current: 0x38, reported: 0x180, committed: 0x1e0, launch: 0x1f0 } as const

/** A version 3 report of a Milan, changed and then signed. */
export async function issueReport(
  signer: SigningKey,
  change: (bytes: Uint8Array, view: DataView) => void = () => undefined,
  product: SnpProduct = 'Milan',
): Promise<Uint8Array> {
  const bytes = new Uint8Array(1184)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 3, true)
  view.setBigUint64(8, 0x3001fn, true)
  view.setUint32(0x34, 1, true)
  for (const at of Object.values(tcbAt)) view.setBigUint64(at, encodeTcb(chipTcb, product), true)
  bytes.set([0x19, 1, 1], 0x188)
  bytes.set(chipId, 0x1a0)
  change(bytes, view)
  if (signer.scheme !== 'ecdsa-p384-sha384') return bytes
  const signature = await signRaw(signer, bytes.subarray(0, 0x2a0))
  bytes.set(reversed(signature.subarray(0, 48)), 0x2a0)
  bytes.set(reversed(signature.subarray(48)), 0x2a0 + 72)
  return bytes
}

export const spkiPin = async (key: SigningKey): Promise<string> =>
  toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(key.spki))))
