import { generateKeyPairSync, webcrypto, X509Certificate } from 'node:crypto'
import { children, subjectOf } from '@strongroom/der'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CertificateRequest } from './issue.ts'
import { issueAuthority, issueLeaf, issueSelfSigned } from './issue.ts'

const now = new Date('2026-05-01T12:00:00Z')
const authority = issueAuthority({ installationId: '6f9c', now })
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))

function leaf(o: Partial<CertificateRequest>): X509Certificate {
  const pem = issueLeaf({ ...authority, now, subject: 'CN=leaf', publicKey: spki, usages: [], days: 1, ...o })
  return new X509Certificate(pem)
}

describe('issueAuthority', () => {
  it('makes an authority for ten years that may not make other authorities', () => {
    const ca = new X509Certificate(authority.caPem)
    expect(ca.ca).toBe(true)
    expect(ca.subject).toBe('CN=Strongroom installation 6f9c\nO=Strongroom')
    expect(ca.verify(ca.publicKey)).toBe(true)
    expect(ca.validToDate.toISOString()).toBe('2036-04-28T12:00:00.000Z')
    // basicConstraints with path length 0.
    expect(ca.raw.includes(Buffer.from('30060101ff020100', 'hex'))).toBe(true)
  })
})

describe('issueLeaf', () => {
  it('names what the key is for and who issued it', () => {
    const certificate = leaf({
      usages: ['serverAuth', 'clientAuth', 'keyAgreement'],
      dnsNames: ['a.strongroom.internal'],
      ipAddresses: ['127.0.0.1'],
    })
    expect(certificate.ca).toBe(false)
    expect(certificate.checkIssued(new X509Certificate(authority.caPem))).toBe(true)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    expect(certificate.subjectAltName).toBe('DNS:a.strongroom.internal, IP Address:127.0.0.1')
    // digitalSignature and keyAgreement.
    expect(certificate.raw.includes(Buffer.from('03020388', 'hex'))).toBe(true)
  })

  it('counts from an hour ago and does not outlive its authority', () => {
    const certificate = leaf({ days: 100_000 })
    expect(certificate.validFromDate.toISOString()).toBe('2026-05-01T11:00:00.000Z')
    expect(certificate.validToDate).toEqual(new X509Certificate(authority.caPem).validToDate)
  })

  it('takes keys of WebCrypto', async () => {
    const algorithm = {
      name: 'RSASSA-PKCS1-v1_5',
      modulusLength: 2048,
      publicExponent: Uint8Array.of(1, 0, 1),
      hash: 'SHA-256',
    }
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const exported = await webcrypto.subtle.exportKey('spki', keys.publicKey)
    const certificate = leaf({ publicKey: keys.publicKey })
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(Buffer.from(exported))).toBe(true)
  })

  it('gives each certificate a serial number of its own', () => {
    const numbers = new Set(Array.from({ length: 50 }, () => leaf({}).serialNumber))
    expect(numbers.size).toBe(50)
  })

  it('keeps any plain text of a subject as it is, and lets none of it become a second attribute', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 80 })
    fc.assert(
      fc.property(text, (value) => {
        let certificate: X509Certificate
        try {
          certificate = leaf({ subject: `CN=${value}` })
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
          return
        }
        const subject = subjectOf(certificate.raw)
        expect(children(subject)).toHaveLength(1)
        expect(Buffer.from(subject).includes(Buffer.from(value, 'utf8'))).toBe(true)
      }),
    )
  })

  it.each([
    ['a key that is none', { publicKey: Uint8Array.of(0x30, 0) }],
    ['an attribute that it does not know', { subject: 'DC=example' }],
    ['a subject with a sign that would have to be escaped', { subject: 'CN=a+O=b' }],
    ['a DNS name with a sign that is none', { dnsNames: ['a\u0000.strongroom.internal'] }],
    ['an address that is none', { ipAddresses: ['127.1'] }],
    ['an extension without an identifier', { extensions: [{ oid: '1', value: Uint8Array.of() }] }],
  ])('refuses %s', (_, request) => {
    expect(() => leaf(request)).toThrow()
  })
})

describe('issueSelfSigned', () => {
  const dates = { notBefore: now, notAfter: new Date('2056-05-01T12:00:00Z') }

  it.each([
    ['RSA', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['P-256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
  ])('certifies a key of %s by itself, for what it may be used', (_, privateKey) => {
    const subject = `CN=https://${'a'.repeat(60)}.attest.strongroom.internal`
    const certificate = new X509Certificate(issueSelfSigned({ subject, privateKey, usages: ['codeSigning'], ...dates }))
    expect(certificate.subject).toBe(subject)
    expect(certificate.issuer).toBe(subject)
    expect(certificate.ca).toBe(false)
    expect(certificate.checkPrivateKey(privateKey)).toBe(true)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.3'])
    expect(certificate.validToDate).toEqual(dates.notAfter)
  })

  it('refuses a kind of key whose signatures it cannot name', () => {
    const { privateKey } = generateKeyPairSync('ed25519')
    expect(() => issueSelfSigned({ subject: 'CN=a', privateKey, usages: [], ...dates })).toThrow(TypeError)
  })
})
