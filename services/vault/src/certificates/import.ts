import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { DerReader, ParseError, parsePem } from '@strongroom/evidence'
import { badParameter } from '../core/errors.ts'
import { outsideKeyFrom, type OutsideKey } from '../keystore/outside-key.ts'
import { decryptKey, readPkcs12, type Contents } from './pkcs12/read.ts'
import { badFile } from './pkcs12/refused.ts'
import type { ContentType } from './policy.ts'
import { Rounds } from './pkcs12/rounds.ts'

/** Key Vault's limit for a secret is lower: a longer file could not be stored. */
const longest = 64 * 1024
const longestPassword = 1024

export interface OutsideCertificate {
  key: OutsideKey
  /** DER, the key's own certificate first, then the others in input order. */
  chain: Uint8Array[]
  contentType: ContentType
}

/**
 * A certificate with its private key, as PEM or PKCS#12. Clients send PEM plain or as base64.
 * @throws ServiceError 400 BadParameter; no message repeats what was sent
 */
export async function readImport(value: unknown, pwd: unknown): Promise<OutsideCertificate> {
  if (typeof value !== 'string' || value === '' || value.length > longest * 2)
    throw badFile('is not a string, or is too long', `base64 of a PFX, or PEM, of at most ${longest} bytes`)
  const password = pwd ?? ''
  if (typeof password !== 'string' || password.length > longestPassword)
    throw badParameter('The password is not a string, or is too long.', {
      target: 'pwd',
      expected: 'a text',
      found: typeof pwd,
    })
  const bytes = value.includes('-----BEGIN') ? Buffer.from(value, 'utf8') : Buffer.from(value, 'base64')
  const isPem = bytes.includes('-----BEGIN')
  let contents: Contents
  try {
    contents = isPem ? await readPem(bytes.toString('latin1'), password) : await readPkcs12(bytes, password)
  } catch (error) {
    if (error instanceof ParseError) throw badFile('is malformed', 'a PFX in DER, or PEM')
    throw error
  }
  return { ...matched(contents), contentType: isPem ? 'application/x-pem-file' : 'application/x-pkcs12' }
}

async function readPem(text: string, password: string): Promise<Contents> {
  const blocks = (label: string): Uint8Array[] =>
    text.includes(`-----BEGIN ${label}-----`) ? parsePem(text, label) : []
  const keys = [...blocks('PRIVATE KEY')]
  for (const [label, type] of [
    ['RSA PRIVATE KEY', 'pkcs1'],
    ['EC PRIVATE KEY', 'sec1'],
  ] as const)
    for (const der of blocks(label))
      keys.push(asPkcs8(() => createPrivateKey({ key: Buffer.from(der), format: 'der', type })))
  const opening = { password, rounds: new Rounds() }
  for (const der of blocks('ENCRYPTED PRIVATE KEY'))
    keys.push(await decryptKey(new DerReader(der, 'private key'), opening))
  return { keys, certificates: blocks('CERTIFICATE') }
}

function asPkcs8(read: () => KeyObject): Uint8Array {
  try {
    return read().export({ type: 'pkcs8', format: 'der' })
  } catch {
    throw badFile('has a private key that cannot be read', 'an RSA or EC key')
  }
}

function matched({ keys, certificates }: Contents): Pick<OutsideCertificate, 'key' | 'chain'> {
  const [pkcs8] = keys
  if (pkcs8 === undefined || keys.length !== 1) throw badFile(`has ${keys.length} private keys`, 'one private key')
  let privateKey: KeyObject
  try {
    privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  } catch {
    throw badFile('has a private key that cannot be read', 'an RSA or EC key')
  }
  const read = certificates.map((der) => {
    try {
      return new X509Certificate(der)
    } catch {
      throw badFile('has a certificate that cannot be read', 'X.509 certificates')
    }
  })
  const leaf = read.find((each) => each.checkPrivateKey(privateKey))
  if (leaf === undefined) throw badFile('has no certificate for its private key', 'the certificate for the key')
  const type = privateKey.asymmetricKeyType === 'ec' ? 'EC' : 'RSA'
  const key = outsideKeyFrom(type, pkcs8)
  return { key, chain: [leaf, ...read.filter((each) => each !== leaf)].map(({ raw }) => raw) }
}
