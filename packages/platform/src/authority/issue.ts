/** Loaded on demand: @peculiar/x509 takes longer to load than the rest of the platform together. */
import 'reflect-metadata'
import { randomBytes, webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { domain } from '@strongroom/contract'
import type { CertificateRequest } from './authority.ts'

/** `clientAuth` and `serverAuth` are extended usages, the others key usages. None of them lets a key issue. */
export type CertificateUsage = 'digitalSignature' | 'keyEncipherment' | 'keyAgreement' | 'serverAuth' | 'clientAuth'

const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const dayMs = 24 * 3600_000
/** Certificates count from a little earlier: clocks of guests and clients differ. */
const backdateMs = 3600_000

x509.cryptoProvider.set(webcrypto as never)

/** A self-signed authority, path length 0, with name constraints. */
export async function issueAuthority(o: {
  installationId: string
  now: Date
}): Promise<{ caPem: string; pkcs8: Uint8Array }> {
  const keys = await webcrypto.subtle.generateKey(signing, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=Strongroom installation ${o.installationId}, O=Strongroom`,
    notBefore: new Date(o.now.getTime() - backdateMs),
    notAfter: new Date(o.now.getTime() + 3650 * dayMs),
    signingAlgorithm: signing,
    keys: keys as never,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      // Not critical, against RFC 5280: verifiers of evidence that know no host names refuse critical extensions that
      // they do not understand, while TLS clients enforce the constraints either way.
      new x509.Extension('2.5.29.30', false, nameConstraints() as never),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey as never),
    ],
  })
  const pkcs8 = new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return { caPem: `${certificate.toString('pem')}\n`, pkcs8 }
}

export async function issueLeaf(
  o: CertificateRequest & { caPem: string; pkcs8: Uint8Array; now: Date },
): Promise<string> {
  const ca = new x509.X509Certificate(o.caPem)
  const signingKey = await webcrypto.subtle.importKey('pkcs8', Uint8Array.from(o.pkcs8), signing, false, ['sign'])
  const spki =
    o.publicKey instanceof Uint8Array
      ? o.publicKey
      : new Uint8Array(await webcrypto.subtle.exportKey('spki', o.publicKey))
  const publicKey = new x509.PublicKey(Uint8Array.from(spki))
  const flags = {
    digitalSignature: x509.KeyUsageFlags.digitalSignature,
    keyEncipherment: x509.KeyUsageFlags.keyEncipherment,
    keyAgreement: x509.KeyUsageFlags.keyAgreement,
  }
  let usage = 0
  const extended: string[] = []
  for (const name of o.usages) {
    if (name === 'serverAuth') extended.push(x509.ExtendedKeyUsage.serverAuth)
    else if (name === 'clientAuth') extended.push(x509.ExtendedKeyUsage.clientAuth)
    else usage |= flags[name]
  }
  if (extended.length > 0) usage |= flags.digitalSignature
  const names = [
    ...(o.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(o.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ]
  const end = Math.min(o.now.getTime() + o.days * dayMs, ca.notAfter.getTime())
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: o.subject,
    issuer: ca.subject,
    notBefore: new Date(o.now.getTime() - backdateMs),
    notAfter: new Date(end),
    signingAlgorithm: signing,
    signingKey: signingKey as never,
    publicKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...(usage === 0 ? [] : [new x509.KeyUsagesExtension(usage, true)]),
      ...(extended.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(extended)]),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
      ...(o.extensions ?? []).map((e) => new x509.Extension(e.oid, e.critical ?? false, Uint8Array.from(e.value))),
    ],
  })
  return `${certificate.toString('pem')}\n`
}

/** 16 random bytes, positive and without a leading zero (RFC 5280 section 4.1.2.2). */
function serialNumber(): string {
  const bytes = randomBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}

/** NameConstraints (RFC 5280 section 4.2.1.10), permitted subtrees only; all lengths here are below 128. */
function nameConstraints(): Uint8Array {
  const wrap = (tag: number, content: Uint8Array): Buffer => Buffer.concat([Buffer.of(tag, content.length), content])
  const dns = (name: string): Buffer => wrap(0x30, wrap(0x82, Buffer.from(name, 'ascii')))
  const address = wrap(0x30, wrap(0x87, Buffer.of(127, 0, 0, 1, 255, 255, 255, 255)))
  return Uint8Array.from(wrap(0x30, wrap(0xa0, Buffer.concat([dns(domain), dns('localhost'), address]))))
}
