import { authorityExtensions, type Extension, type NameAttributes } from '@strongroom/der'
import { digest, pckOids, utf8 } from '@strongroom/evidence'
import { issueCertificate, keyIdentifierExtensions, leafExtensions } from '../pki/certificate-writer.ts'
import type { SigningKey } from '../pki/keys.ts'
import { pckExtension } from './pck-extension.ts'

const dayMs = 86_400_000
const yearMs = 365 * dayMs

/** Common names are Intel's, because clients check them; the organisation marks them as simulated. */
function name(commonName: string): NameAttributes {
  return [
    ['CN', commonName],
    ['O', 'Strongroom simulated silicon'],
  ]
}

export const intelNames: Readonly<Record<'root' | 'platformCa' | 'pck' | 'tcbSigning', NameAttributes>> = {
  root: name('Intel SGX Root CA'),
  platformCa: name('Intel SGX PCK Platform CA'),
  pck: name('Intel SGX PCK Certificate'),
  tcbSigning: name('Intel SGX TCB Signing'),
}

export interface IntelKeys {
  root: SigningKey
  platformCa: SigningKey
  pck: SigningKey
  tcbSigning: SigningKey
}

/** DER of the simulated hierarchy: root → platform CA → PCK, and root → TCB signing. */
export interface IntelCertificates {
  root: Uint8Array
  platformCa: Uint8Array
  pck: Uint8Array
  tcbSigning: Uint8Array
}

/** Issues the hierarchy over persistent keys. Roots are pinned by key, so certificates may be issued again at each start. */
export async function issueIntelCertificates(keys: IntelKeys, now: Date): Promise<IntelCertificates> {
  const ppid = await nameOfPlatform('ppid', keys.pck)
  const platformInstanceId = await nameOfPlatform('platform instance', keys.pck)
  const sgx = { oid: pckOids.extension, value: pckExtension({ ppid, platformInstanceId }) }
  const issue = async (
    subject: keyof IntelKeys,
    issuer: keyof IntelKeys,
    years: number,
    extensions: Extension[],
  ): Promise<Uint8Array> =>
    issueCertificate({
      serialNumber: serialNumber(),
      subject: intelNames[subject],
      issuer: intelNames[issuer],
      subjectKey: keys[subject].spki,
      signer: keys[issuer],
      notBefore: new Date(now.getTime() - dayMs),
      notAfter: new Date(now.getTime() + years * yearMs),
      extensions: [...(await keyIdentifierExtensions(keys[subject].spki, keys[issuer].spki)), ...extensions],
    })
  return {
    root: await issue('root', 'root', 25, authorityExtensions(1)),
    platformCa: await issue('platformCa', 'root', 15, authorityExtensions(0)),
    pck: await issue('pck', 'platformCa', 7, [...leafExtensions(), sgx]),
    tcbSigning: await issue('tcbSigning', 'root', 7, leafExtensions()),
  }
}

async function nameOfPlatform(label: string, pck: SigningKey): Promise<Uint8Array> {
  return (await digest('SHA-256', utf8(label), pck.spki)).subarray(0, 16)
}

/** 128 random bits below 2^127, so that the number is positive in 16 bytes. */
function serialNumber(): bigint {
  let value = 0n
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) value = (value << 8n) | BigInt(byte)
  return (value >> 1n) | 1n
}
