import { createHash, generateKeyPairSync, sign, X509Certificate } from 'node:crypto'
import { parseCertificate, parseCrl, parsePublicKey, verifySignature } from '@strongroom/evidence'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { algorithms } from './algorithms.ts'
import {
  authorityExtensions,
  certificate,
  encodeName,
  extendedKeyUsage,
  extendedUsages,
  keyUsage,
} from './certificate.ts'
import { signedData } from './cms.ts'
import { certificateList } from './crl.ts'
import { children, issuerAndSerialNumber, keyBits, subjectOf } from './reader.ts'
import { der, ecdsaSignature, octetString, sequence } from './writer.ts'

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }))
const signature = (data: Uint8Array): Uint8Array =>
  ecdsaSignature(sign('sha384', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }))
const [notBefore, notAfter] = [new Date('2026-01-01T00:00:00Z'), new Date('2056-01-01T00:00:00Z')]
const issuer = encodeName([
  ['CN', 'Authority'],
  ['O', 'Straße'],
])
const subject = encodeName([
  ['CN', 'Leaf'],
  ['OU', 'Unit'],
  ['C', 'DE'],
])

function issued(serialNumber: bigint | Uint8Array = 0x8003n): Uint8Array<ArrayBuffer> {
  const extensions = [...authorityExtensions(0), extendedKeyUsage([extendedUsages.codeSigning])]
  const fields = { serialNumber, issuer, subject, notBefore, notAfter, subjectKey: spki, extensions }
  const { toBeSigned, signed } = certificate(algorithms.ecdsaSha384, fields)
  return signed(signature(toBeSigned))
}

describe('a certificate', () => {
  it('is one to the strict reader and to OpenSSL, and its signature is good', async () => {
    const read = parseCertificate(issued())
    expect(read).toMatchObject({ serialNumber: '008003', notBefore, notAfter })
    expect([read.subject.commonName, read.issuer.commonName]).toEqual(['Leaf', 'Authority'])
    expect(
      await verifySignature({
        subject: 'certificate',
        key: parsePublicKey(spki),
        algorithm: read.signatureAlgorithm,
        signature: read.signature,
        data: read.tbs,
      }),
    ).toBe(true)
    const other = new X509Certificate(issued())
    expect([other.subject, other.issuer]).toEqual(['CN=Leaf\nOU=Unit\nC=DE', 'CN=Authority\nO=Straße'])
    expect([other.ca, other.keyUsage, other.verify(publicKey)]).toEqual([true, [extendedUsages.codeSigning], true])
  })

  it('gives back its own names, number and key bit by bit', () => {
    expect(subjectOf(issued())).toEqual(subject)
    expect(issuerAndSerialNumber(issued(Uint8Array.of(0x80, 3)))).toEqual(issuerAndSerialNumber(issued()))
    expect(issuerAndSerialNumber(issued())[0]).toEqual(issuer)
    const point = publicKey.export({ format: 'jwk' })
    expect(Buffer.from(keyBits(spki)).toString('hex')).toBe(
      `04${[point.x, point.y].map((half) => Buffer.from(half!, 'base64url').toString('hex')).join('')}`,
    )
  })

  it('says of its key what it may do', () => {
    expect(Buffer.from(keyUsage(['digitalSignature', 'keyAgreement']).value).toString('hex')).toBe('03020388')
  })
})

describe('a revocation list', () => {
  it('is one to the strict reader', () => {
    const revoked = [{ serialNumber: 5n, date: notBefore }]
    const keyIdentifier = createHash('sha1').update(keyBits(spki)).digest()
    const fields = { issuer, keyIdentifier, number: 7n, thisUpdate: notBefore, nextUpdate: notAfter }
    for (const entries of [[], revoked]) {
      const { toBeSigned, signed } = certificateList(algorithms.ecdsaSha384, { ...fields, revoked: entries })
      const list = parseCrl(signed(signature(toBeSigned)))
      expect(list).toMatchObject({ thisUpdate: notBefore, nextUpdate: notAfter })
      expect([...list.revoked.keys()]).toEqual(entries.map(() => '05'))
    }
  })
})

describe('what is read of our own', () => {
  it('is what was written, whatever the length', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 70_000 }), { maxLength: 4 }), (contents) => {
        const values = contents.map(octetString)
        expect(children(sequence(...values))).toEqual(values)
      }),
      { numRuns: 30 },
    )
  })

  it('does not end beyond the end', () => {
    expect(() => children(Uint8Array.of(0x30, 3, 0x04, 5, 1))).toThrow(RangeError)
    expect(() => children(der(0x30, Uint8Array.of(4, 0x82, 1)))).toThrow(RangeError)
  })
})

// OpenSSL's reading of it is tested in services/host/src/network/instance-routes.test.ts: the attested document.
describe('signed data', () => {
  it('names its signer by the certificate that it carries', () => {
    const own = issued()
    const message = signedData({
      content: Uint8Array.of(1, 2, 3),
      certificate: own,
      digestAlgorithm: algorithms.sha256,
      signatureAlgorithm: algorithms.rsaSha256,
      signature: Uint8Array.of(9),
    })
    const [, digests, content, certificates, signers] = children(children(children(message)[1]!)[0]!)
    expect(children(digests!)).toEqual([algorithms.sha256])
    expect(children(children(content!)[1]!)).toEqual([octetString(Uint8Array.of(1, 2, 3))])
    expect(children(certificates!)).toEqual([own])
    const [, signer, ...rest] = children(children(signers!)[0]!)
    expect(children(signer!)).toEqual(issuerAndSerialNumber(own))
    expect(rest).toEqual([algorithms.sha256, algorithms.rsaSha256, octetString(Uint8Array.of(9))])
  })
})
