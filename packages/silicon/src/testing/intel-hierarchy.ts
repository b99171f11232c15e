import { authorityExtensions, type Extension, type NameAttributes } from '@strongroom/der'
import { ByteWriter, concat, digest, fromHex, pckOids, toHex, utf8, type TdxCollateral } from '@strongroom/evidence'
import { intelNames } from '../intel/certificates.ts'
import { pckExtension } from '../intel/pck-extension.ts'
import { issueCertificate, keyIdentifierExtensions, leafExtensions } from '../pki/certificate-writer.ts'
import { issueCrl } from '../pki/crl-writer.ts'
import { loadOrCreateKey, signRaw, type SigningKey } from '../pki/keys.ts'
import { toPem } from '../pki/pem-writer.ts'
import { memoryKeyStore } from '../testing.ts'
import { made, until } from './times.ts'

/** The holder of all keys of an authority with Intel's names, of its quoting enclave and of a platform. */

const keyNames = ['root', 'ca', 'pck', 'signer', 'attestation'] as const
export type IntelHierarchy = Record<(typeof keyNames)[number], SigningKey> & { strange: SigningKey }

export async function openIntelHierarchy(): Promise<IntelHierarchy> {
  const store = memoryKeyStore()
  const keys = await Promise.all(keyNames.map((name) => loadOrCreateKey(store, name, 'ecdsa-p256-sha256')))
  const strange = await loadOrCreateKey(store, 'strange', 'ecdsa-p384-sha384')
  return { ...Object.fromEntries(keyNames.map((name, index) => [name, keys[index]])), strange } as IntelHierarchy
}

export interface CertificateChanges {
  /** Common name of the authority that issues PCK certificates. */
  ca?: string
  /** SGX extension of the PCK certificate; `undefined` omits it. */
  sgx?: Uint8Array | undefined
  pckKey?: SigningKey
  signerName?: string
  signerKey?: SigningKey
  signerExtensions?: Extension[]
}

export const zeroSgx: Uint8Array = pckExtension({ ppid: new Uint8Array(16), platformInstanceId: new Uint8Array(16) })

/** DER of all certificates, each under the root or its authority. */
export async function issueIntelChain(
  keys: IntelHierarchy,
  o: CertificateChanges = {},
): Promise<Record<'root' | 'ca' | 'pck' | 'signer', Uint8Array>> {
  const caName: NameAttributes = o.ca === undefined ? intelNames.platformCa : [['CN', o.ca]]
  const signerName: NameAttributes = o.signerName === undefined ? intelNames.tcbSigning : [['CN', o.signerName]]
  const sgx = 'sgx' in o ? o.sgx : zeroSgx
  const validity = { notBefore: made, notAfter: until }
  const issue = async (
    serialNumber: bigint,
    [subject, subjectKey]: [NameAttributes, SigningKey],
    [issuer, signer]: [NameAttributes, SigningKey],
    extensions: Extension[],
  ): Promise<Uint8Array> =>
    issueCertificate({
      serialNumber,
      subject,
      subjectKey: subjectKey.spki,
      issuer,
      signer,
      extensions: [...(await keyIdentifierExtensions(subjectKey.spki, signer.spki)), ...extensions],
      ...validity,
    })
  const root: [NameAttributes, SigningKey] = [intelNames.root, keys.root]
  return {
    root: await issue(1n, root, root, authorityExtensions(1)),
    ca: await issue(2n, [caName, keys.ca], root, authorityExtensions(0)),
    pck: await issue(
      3n,
      [intelNames.pck, o.pckKey ?? keys.pck],
      [caName, keys.ca],
      [...leafExtensions(), ...(sgx === undefined ? [] : [{ oid: pckOids.extension, value: sgx }])],
    ),
    signer: await issue(4n, [signerName, o.signerKey ?? keys.signer], root, o.signerExtensions ?? leafExtensions()),
  }
}

/** A list from the authority `ca`, or from the root. */
export async function issueIntelList(
  keys: IntelHierarchy,
  o: { of: 'root' | 'ca'; ca?: string; revoked?: bigint[]; nextUpdate?: Date },
): Promise<Uint8Array> {
  const ca: NameAttributes = o.ca === undefined ? intelNames.platformCa : [['CN', o.ca]]
  return await issueCrl({
    issuer: o.of === 'root' ? intelNames.root : ca,
    signer: keys[o.of],
    number: 1n,
    thisUpdate: made,
    nextUpdate: o.nextUpdate ?? until,
    revoked: (o.revoked ?? []).map((serialNumber) => ({
      serialNumber,
      date: made,
    })),
  })
}

const date = '2026-01-01T00:00:00Z'
const next = '2026-12-01T00:00:00Z'
const components = (svn: number): { svn: number }[] => Array.from({ length: 16 }, () => ({ svn }))
const status = { tcbDate: date, tcbStatus: 'UpToDate', advisoryIDs: [] as string[] }

/** The signer's statement about platforms like `zeroSgx`: all are up to date. */
export function tcbInfoOf(changes: Record<string, unknown> = {}, level: Record<string, unknown> = {}): object {
  const module = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) }
  return {
    id: 'TDX',
    version: 3,
    issueDate: date,
    nextUpdate: next,
    fmspc: '53494D000001',
    pceId: '0000',
    tcbType: 0,
    tcbEvaluationDataNumber: 7,
    tdxModule: module,
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...module,
        tcbLevels: [
          {
            tcb: { isvsvn: 0 },
            ...status,
          },
        ],
      },
    ],
    tcbLevels: [
      {
        tcb: {
          sgxtcbcomponents: components(0),
          pcesvn: 0,
          tdxtcbcomponents: components(0),
        },
        ...status,
        ...level,
      },
    ],
    ...changes,
  }
}

/** The signer's statement about the quoting enclave, with all fields zero. */
export function identityOf(changes: Record<string, unknown> = {}, level: Record<string, unknown> = {}): object {
  return {
    id: 'TD_QE',
    version: 2,
    issueDate: date,
    nextUpdate: next,
    tcbEvaluationDataNumber: 8,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: '00'.repeat(16),
    isvprodid: 0,
    attributesMask: 'FF'.repeat(16),
    mrsigner: '00'.repeat(32),
    tcbLevels: [
      {
        tcb: { isvsvn: 0 },
        ...status,
        ...level,
      },
    ],
    ...changes,
  }
}

export async function signedText(
  member: 'tcbInfo' | 'enclaveIdentity',
  value: object,
  by: SigningKey,
): Promise<string> {
  const body = JSON.stringify(value)
  return `{"${member}":${body},"signature":"${toHex(await signRaw(by, utf8(body)))
    .padEnd(128, '0')
    .slice(0, 128)}"}`
}

/** Valid collateral for platforms under this authority. */
export async function issueCollateral(keys: IntelHierarchy): Promise<TdxCollateral> {
  const { root, ca, signer } = await issueIntelChain(keys)
  const issuerChain = toPem([signer, root])
  return {
    tcbInfo: await signedText('tcbInfo', tcbInfoOf(), keys.signer),
    tcbInfoIssuerChainPem: issuerChain,
    qeIdentity: await signedText('enclaveIdentity', identityOf(), keys.signer),
    qeIdentityIssuerChainPem: issuerChain,
    pckCrl: await issueIntelList(keys, { of: 'ca' }),
    pckCrlIssuerChainPem: toPem([ca, root]),
    rootCaCrl: await issueIntelList(keys, { of: 'root' }),
  }
}

export interface QuoteChanges {
  /** Header and body before signing. */
  td?: (bytes: Uint8Array) => void
  /** Report of the quoting enclave before signing. */
  enclave?: (bytes: Uint8Array) => void
  certification?: { kind: number; data: Uint8Array }
  attestation?: SigningKey
  pck?: SigningKey
  /** Signs the quote instead of the attestation key that the enclave vouches for. */
  quoteSigner?: SigningKey
}

/** A version 4 quote of a TD without memory or features, signed by the right keys. */
export async function issueQuote(keys: IntelHierarchy, o: QuoteChanges = {}): Promise<Uint8Array> {
  const { pck, root, ca } = await issueIntelChain(keys)
  const { kind, data } = o.certification ?? { kind: 5, data: utf8(toPem([pck, ca, root])) }
  const attestation = (o.attestation ?? keys.attestation).spki.subarray(-64)
  const authentication = Uint8Array.of(1, 2, 3)
  const signed = new ByteWriter()
    .u16le(4)
    .u16le(2)
    .u32le(0x81)
    .zero(4)
    .bytes(fromHex('939a7233f79c4ca9940a0db3957f0607'))
    .zero(20 + 584)
    .finish()
  // XFAM: x87 and SSE.
  signed[48 + 128] = 3
  o.td?.(signed)
  const report = concat(new Uint8Array(320), await digest('SHA-256', attestation, authentication), new Uint8Array(32))
  o.enclave?.(report)
  const certification = new ByteWriter()
    .bytes(report)
    .bytes((await signRaw(o.pck ?? keys.pck, report)).subarray(0, 64))
    .u16le(authentication.length)
    .bytes(authentication)
    .u16le(kind)
    .u32le(data.length)
    .bytes(data)
    .finish()
  return new ByteWriter()
    .bytes(signed)
    .u32le(64 + 64 + 6 + certification.length)
    .bytes(await signRaw(o.quoteSigner ?? o.attestation ?? keys.attestation, signed))
    .bytes(attestation)
    .u16le(6)
    .u32le(certification.length)
    .bytes(certification)
    .finish()
}
