import { createHash, createHmac } from 'node:crypto'
import { DerReader, derTag, readOctets, readOid, readSmallInteger } from '@strongroom/evidence'
import { equalBytes } from '../../keystore/digest-info.ts'
import { decrypt } from './decrypt.ts'
import { derive, passwordBytes, purposes } from './derive.ts'
import { digests, oids } from './oids.ts'
import { badFile, wrongPassword } from './refused.ts'
import { Rounds } from './rounds.ts'

/** Contents of a file, each as DER. */
export interface Contents {
  /** PrivateKeyInfo (PKCS#8). */
  keys: Uint8Array[]
  certificates: Uint8Array[]
}

/** Opens the encrypted parts of one file. */
export interface Opening {
  password: string
  rounds: Rounds
}

/** Bags in a file: a key and a chain. */
const mostBags = 64

/**
 * Reads a PFX (RFC 7292) in DER, protected by a password: integrity by HMAC, keys and certificates in clear or
 * encrypted.
 * @throws ServiceError BadParameter; ParseError for other DER or other bytes
 */
export async function readPkcs12(file: Uint8Array, password: string): Promise<Contents> {
  const outer = new DerReader(file, 'PKCS#12')
  const pfx = outer.sequence('PFX')
  outer.end()
  if (readSmallInteger(pfx, 'version') !== 3) throw badFile('is another version of PKCS#12', 'version 3')
  const safe = pfx.sequence('authSafe')
  if (readOid(safe, 'contentType') !== oids.data) throw badFile('is signed, not protected by a password', 'a password')
  const content = innerOctets(safe)
  if (pfx.atEnd) throw badFile('has no integrity protection', 'a MAC over its content')
  const opening = { password, rounds: new Rounds() }
  await checkMac(pfx.sequence('macData'), content, opening)
  pfx.end()
  const found: Contents = { keys: [], certificates: [] }
  const all = new DerReader(content, 'AuthenticatedSafe').sequence('AuthenticatedSafe')
  while (!all.atEnd) {
    const info = all.sequence('ContentInfo')
    const type = readOid(info, 'contentType')
    const bags = type === oids.data ? innerOctets(info) : await decryptedBags(type, info, opening)
    await readBags(new DerReader(bags, 'SafeContents').sequence('SafeContents'), found, opening)
  }
  return found
}

/** Content [0] EXPLICIT OCTET STRING. */
function innerOctets(info: DerReader): Uint8Array {
  const content = info.enter(info.expect(derTag.context(0, true), 'content'), 'content')
  return readOctets(content, 'content').content
}

async function decryptedBags(type: string, info: DerReader, opening: Opening): Promise<Uint8Array> {
  if (type !== oids.encryptedData) throw badFile('contains content of another kind', 'data or password-encrypted data')
  const data = info.enter(info.expect(derTag.context(0, true), 'content'), 'content').sequence('EncryptedData')
  readSmallInteger(data, 'version')
  const inner = data.sequence('EncryptedContentInfo')
  readOid(inner, 'contentType')
  const algorithm = new DerReader(inner.next('contentEncryptionAlgorithm').raw, 'algorithm')
  return await decrypt(algorithm, inner.expect(derTag.context(0, false), 'encryptedContent').content, opening)
}

async function checkMac(mac: DerReader, content: Uint8Array, { password, rounds }: Opening): Promise<void> {
  const info = mac.sequence('mac')
  const digest = digests[readOid(info.sequence('digestAlgorithm'), 'digestAlgorithm')]
  const expected = readOctets(info, 'digest').content
  const salt = readOctets(mac, 'macSalt').content
  const iterations = mac.atEnd ? 1 : readSmallInteger(mac, 'iterations')
  if (digest === undefined) throw badFile('has a MAC with another digest', 'SHA-1 or SHA-2')
  const { length } = createHash(digest).digest()
  // The derived length follows from this.
  if (expected.length !== length) throw badFile(`has a MAC of ${expected.length} bytes`, `${length}`)
  // Programs represent a missing password differently: as nothing, or as an empty text.
  const passwords = password === '' ? [passwordBytes(''), passwordBytes(undefined)] : [passwordBytes(password)]
  for (const each of passwords) {
    const o = { digest, password: each, salt, iterations, rounds, purpose: purposes.mac, bytes: length }
    const found = createHmac(digest, await derive(o))
      .update(content)
      .digest()
    if (equalBytes(found, expected)) return
  }
  throw wrongPassword()
}

async function readBags(bags: DerReader, found: Contents, opening: Opening): Promise<void> {
  while (!bags.atEnd) {
    const bag = bags.sequence('SafeBag')
    const type = readOid(bag, 'bagId')
    const value = bag.enter(bag.expect(derTag.context(0, true), 'bagValue'), 'bagValue')
    if (type === oids.keyBag) found.keys.push(value.next('PrivateKeyInfo').raw)
    else if (type === oids.shroudedKeyBag) found.keys.push(await decryptKey(value, opening))
    else if (type === oids.certBag) {
      const cert = value.sequence('CertBag')
      if (readOid(cert, 'certId') === oids.x509Certificate) found.certificates.push(innerOctets(cert))
    }
    if (found.keys.length + found.certificates.length > mostBags)
      throw badFile(`contains more than ${mostBags} keys and certificates`, 'one key and its chain')
  }
}

/** EncryptedPrivateKeyInfo (RFC 5958 section 3), from a file or a PEM block. @param reader positioned at it. @throws like `readPkcs12` */
export async function decryptKey(reader: DerReader, opening: Opening): Promise<Uint8Array> {
  const info = reader.sequence('EncryptedPrivateKeyInfo')
  const algorithm = new DerReader(info.next('encryptionAlgorithm').raw, 'algorithm')
  return await decrypt(algorithm, readOctets(info, 'encryptedData').content, opening)
}
