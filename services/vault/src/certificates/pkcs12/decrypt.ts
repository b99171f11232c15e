import { createDecipheriv, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { derTag, readOctets, readOid, readSmallInteger, type DerReader } from '@strongroom/evidence'
import { derive, passwordBytes, purposes } from './derive.ts'
import { ciphers, functions, oids } from './oids.ts'
import { badFile, wrongPassword } from './refused.ts'
import type { Rounds } from './rounds.ts'

/**
 * Decrypts what an AlgorithmIdentifier describes: PBES2, or PKCS#12's own Triple DES.
 * @param algorithm at the AlgorithmIdentifier
 * @throws ServiceError BadParameter
 */
export async function decrypt(
  algorithm: DerReader,
  encrypted: Uint8Array,
  o: { password: string; rounds: Rounds },
): Promise<Uint8Array> {
  const parts = algorithm.sequence('algorithm')
  const oid = readOid(parts, 'algorithm')
  if (oid === oids.pbes2) return await byPbes2(parts.sequence('parameters'), encrypted, o)
  if (oid !== oids.shaAnd3Des) throw badFile(`is encrypted with ${oid}`, 'AES (PBES2) or Triple DES')
  const parameters = parts.sequence('parameters')
  const salt = readOctets(parameters, 'salt').content
  const iterations = readSmallInteger(parameters, 'iterations')
  const how = { digest: 'sha1', password: passwordBytes(o.password), salt, iterations, rounds: o.rounds }
  const key = await derive({ ...how, purpose: purposes.key, bytes: 24 })
  const iv = await derive({ ...how, purpose: purposes.iv, bytes: 8 })
  return deciphered('des-ede3-cbc', key, iv, encrypted)
}

async function byPbes2(
  parameters: DerReader,
  encrypted: Uint8Array,
  { password, rounds }: { password: string; rounds: Rounds },
): Promise<Uint8Array> {
  const derivation = parameters.sequence('keyDerivationFunc')
  if (readOid(derivation, 'keyDerivationFunc') !== oids.pbkdf2)
    throw badFile('uses another key derivation function', 'PBKDF2')
  const how = derivation.sequence('PBKDF2-params')
  const salt = readOctets(how, 'salt').content
  const iterations = readSmallInteger(how, 'iterationCount')
  rounds.take(iterations)
  if (how.peek() === derTag.integer) readSmallInteger(how, 'keyLength')
  const digest = how.atEnd ? 'sha1' : functions[readOid(how.sequence('prf'), 'prf')]
  if (digest === undefined) throw badFile('has another pseudo-random function', 'HMAC with SHA-1 or SHA-2')
  const scheme = parameters.sequence('encryptionScheme')
  const cipher = ciphers[readOid(scheme, 'encryptionScheme')]
  if (cipher === undefined) throw badFile('is encrypted with another cipher', 'AES or Triple DES, in CBC')
  const iv = readOctets(scheme, 'iv').content
  const key = await promisify(pbkdf2)(Buffer.from(password, 'utf8'), salt, iterations, cipher.keyBytes, digest)
  return deciphered(cipher.name, key, iv, encrypted)
}

function deciphered(name: string, key: Uint8Array, iv: Uint8Array, encrypted: Uint8Array): Uint8Array {
  try {
    const decipher = createDecipheriv(name, key, iv)
    return Buffer.concat([decipher.update(encrypted), decipher.final()])
  } catch {
    // Bad padding, or an IV of the wrong length: the error is the same for both.
    throw wrongPassword()
  } finally {
    key.fill(0)
  }
}
