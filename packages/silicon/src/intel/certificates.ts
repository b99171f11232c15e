import 'reflect-metadata'
import { digest, pckOids, toHex } from '@strongroom/evidence'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
  X509CrlGenerator,
} from '@peculiar/x509'
import type { SigningKeys } from './keys.ts'
import { spkiOf } from './keys.ts'
import { pckExtension } from './pck-extension.ts'

const dayMs = 86_400_000
const yearMs = 365 * dayMs
const sha256 = { name: 'ECDSA', hash: 'SHA-256' } as const
/** Common names are Intel's, because clients look at them; the organisation says whose they are. */
const organisation = 'O=Strongroom simulated silicon, L=Nowhere, C=ZZ'

export const intelNames: Readonly<Record<'root' | 'platformCa' | 'pck' | 'tcbSigning', string>> = {
  root: `CN=Intel SGX Root CA, ${organisation}`,
  platformCa: `CN=Intel SGX PCK Platform CA, ${organisation}`,
  pck: `CN=Intel SGX PCK Certificate, ${organisation}`,
  tcbSigning: `CN=Intel SGX TCB Signing, ${organisation}`,
}

export interface IntelKeys {
  root: SigningKeys
  platformCa: SigningKeys
  pck: SigningKeys
  tcbSigning: SigningKeys
}

/** DER of the simulated hierarchy: root → platform CA → PCK, and root → TCB signing. */
export interface IntelCertificates {
  root: Uint8Array
  platformCa: Uint8Array
  pck: Uint8Array
  tcbSigning: Uint8Array
}

/** Issues the hierarchy over keys that persist. Roots are pinned by key, so certificates may be issued again at each start. */
export async function issueCertificates(keys: IntelKeys, now: Date): Promise<IntelCertificates> {
  const authority = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign
  const signing = KeyUsageFlags.digitalSignature | KeyUsageFlags.nonRepudiation
  const pckSpki = await spkiOf(keys.pck.publicKey)
  const ppid = (await digest('SHA-256', new TextEncoder().encode('ppid'), pckSpki)).subarray(0, 16)
  const platformInstanceId = (await digest('SHA-256', new TextEncoder().encode('platform instance'), pckSpki)).subarray(
    0,
    16,
  )
  const sgx = new Extension(pckOids.extension, false, Uint8Array.from(pckExtension({ ppid, platformInstanceId })))
  const issue = (
    subject: string,
    key: SigningKeys,
    issuer: string,
    issuerKey: SigningKeys,
    o: { ca?: number; usages: KeyUsageFlags; years: number; extra?: Extension[] },
  ): Promise<Uint8Array> => certificate({ subject, key, issuer, issuerKey, now, ...o })
  const { root, platformCa, pck, tcbSigning } = intelNames
  return {
    root: await issue(root, keys.root, root, keys.root, { ca: 1, usages: authority, years: 25 }),
    platformCa: await issue(platformCa, keys.platformCa, root, keys.root, { ca: 0, usages: authority, years: 15 }),
    pck: await issue(pck, keys.pck, platformCa, keys.platformCa, { usages: signing, years: 7, extra: [sgx] }),
    tcbSigning: await issue(tcbSigning, keys.tcbSigning, root, keys.root, { usages: signing, years: 7 }),
  }
}

async function certificate(o: {
  subject: string
  key: SigningKeys
  issuer: string
  issuerKey: SigningKeys
  now: Date
  /** Path length of an authority. */
  ca?: number
  usages: KeyUsageFlags
  years: number
  extra?: Extension[]
}): Promise<Uint8Array> {
  const made = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: o.subject,
    issuer: o.issuer,
    notBefore: new Date(o.now.getTime() - dayMs),
    notAfter: new Date(o.now.getTime() + o.years * yearMs),
    signingAlgorithm: sha256,
    publicKey: o.key.publicKey,
    signingKey: o.issuerKey.privateKey,
    extensions: [
      await AuthorityKeyIdentifierExtension.create(o.issuerKey.publicKey, false),
      await SubjectKeyIdentifierExtension.create(o.key.publicKey, false),
      new KeyUsagesExtension(o.usages, true),
      new BasicConstraintsExtension(o.ca !== undefined, o.ca, true),
      ...(o.extra ?? []),
    ],
  })
  return new Uint8Array(made.rawData)
}

/** Revocation list without entries. */
export async function revocationList(o: {
  issuer: string
  key: SigningKeys
  thisUpdate: Date
  nextUpdate: Date
}): Promise<Uint8Array> {
  const made = await X509CrlGenerator.create({
    issuer: o.issuer,
    thisUpdate: o.thisUpdate,
    nextUpdate: o.nextUpdate,
    signingAlgorithm: sha256,
    signingKey: o.key.privateKey,
    extensions: [await AuthorityKeyIdentifierExtension.create(o.key.publicKey, false)],
  })
  return new Uint8Array(made.rawData)
}

/** 16 random bytes, positive and without a leading zero, so that one number has one form. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return toHex(bytes)
}
