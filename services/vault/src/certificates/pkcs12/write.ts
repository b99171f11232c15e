import { createHash, createHmac, createPrivateKey, randomBytes } from 'node:crypto'
import { algorithms, integer, octetString, oid, sequence, setOf, tagged } from '@strongroom/der'
import { derive, passwordBytes, purposes } from './derive.ts'
import { oids } from './oids.ts'

/** OpenSSL's default. The password is empty: it only protects against a damaged file. */
const iterations = 2048
const password = ''

/**
 * A PFX without a password, as in Key Vault's certificate secrets: the key under PBES2 (AES-256), the chain in clear, a
 * MAC by SHA-256.
 * @param o.key PKCS#8 DER; undefined if the key stays inside
 * @param o.certificates DER, the key's own first
 */
export async function writePkcs12(o: { key: Uint8Array | undefined; certificates: Uint8Array[] }): Promise<Uint8Array> {
  const [leaf] = o.certificates
  const localKeyId = createHash('sha1').update(leaf!).digest()
  const attributes = setOf(sequence(oid(oids.localKeyId), setOf(octetString(localKeyId))))
  const certificates = o.certificates.map((der, index) =>
    sequence(
      oid(oids.certBag),
      tagged(0, sequence(oid(oids.x509Certificate), tagged(0, octetString(der)))),
      ...(index === 0 ? [attributes] : []),
    ),
  )
  const keys = o.key === undefined ? [] : [sequence(oid(oids.shroudedKeyBag), tagged(0, shrouded(o.key)), attributes)]
  const safe = sequence(data(sequence(...keys, ...certificates)))
  const salt = randomBytes(16)
  const key = await derive({
    digest: 'sha256',
    password: passwordBytes(password),
    salt,
    iterations,
    purpose: purposes.mac,
    bytes: 32,
  })
  const mac = createHmac('sha256', key).update(safe).digest()
  return sequence(
    integer(3),
    data(safe),
    sequence(sequence(algorithms.sha256, octetString(mac)), octetString(salt), integer(iterations)),
  )
}

const data = (content: Uint8Array): Uint8Array => sequence(oid(oids.data), tagged(0, octetString(content)))

function shrouded(pkcs8: Uint8Array): Uint8Array {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  return key.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: password })
}
