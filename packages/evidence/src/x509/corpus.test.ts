import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { EvidenceError, ParseError } from '../core/errors.ts'
import { parseCertificate, type Certificate } from './certificate.ts'
import { parseCrl, verifyCrl } from './crl.ts'
import { spkiSha256, verifyPath } from './path.ts'
import { parsePem } from './pem.ts'
import { corpusDirectory, hasCorpus } from '../testing/corpus-directory.ts'

const corpus = corpusDirectory
const present = hasCorpus
const manifest = present
  ? (JSON.parse(readFileSync(join(corpus, 'MANIFEST.json'), 'utf8')) as { path: string; kind: string }[])
  : []

function readAll(path: string): Uint8Array[] {
  const bytes = new Uint8Array(readFileSync(join(corpus, path)))
  return bytes[0] === 0x30 ? [bytes] : parsePem(new TextDecoder().decode(bytes))
}
const named = (kind: string): string[] =>
  manifest.filter((entry) => entry.kind === kind && /\.(der|pem)$/.test(entry.path)).map((entry) => entry.path)

describe.skipIf(!present)('certificates of AMD and Intel', () => {
  it.each([...named('vcek'), ...named('cert-chain')])('%s is read', (path) => {
    for (const der of readAll(path)) {
      const certificate = parseCertificate(der)
      expect(certificate.notBefore.getTime()).toBeLessThan(certificate.notAfter.getTime())
      expect(['RSA', 'EC']).toContain(certificate.publicKey.kind)
    }
  })

  const amd = manifest.filter(({ path }) => /^google-go-sev-guest\/as.*_ark_/.test(path)).map(({ path }) => path)
  it.each(amd)('%s is a chain to its own root and to no other', async (path) => {
    const chain = readAll(path).map(parseCertificate)
    const at = new Date('2025-06-01T00:00:00Z')
    const pin = { name: 'own', spkiSha256: await spkiSha256(chain.at(-1)!) }
    await verifyPath({ chain, anchors: [pin], at, leafMayBeCa: true })
    await expect(verifyPath({ chain, anchors: [pin], at })).rejects.toMatchObject({ code: 'CertificateNotForThisUse' })
    await expect(
      verifyPath({ chain: chain.toReversed(), anchors: [pin], at, leafMayBeCa: true }),
    ).rejects.toMatchObject({ code: 'UntrustedRoot' })
  })

  it('stay unread or unverified with any bit changed', async () => {
    const path = 'google-go-sev-guest/ask_ark_milan.pem'
    const [ask, ark] = readAll(path)
    const root = parseCertificate(ark!)
    const anchors = [{ name: 'own', spkiSha256: await spkiSha256(root) }]
    const at = new Date('2025-06-01T00:00:00Z')
    await fc.assert(
      fc.asyncProperty(fc.nat(ask!.length - 1), fc.integer({ min: 1, max: 255 }), async (offset, xor) => {
        const changed = Uint8Array.from(ask!)
        changed[offset]! ^= xor
        let certificate: Certificate
        try {
          certificate = parseCertificate(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
          return
        }
        await expect(verifyPath({ chain: [certificate, root], anchors, at, leafMayBeCa: true })).rejects.toBeInstanceOf(
          EvidenceError,
        )
      }),
      { numRuns: 300 },
    )
  })
})

describe.skipIf(!present)('revocation lists of Intel', () => {
  it.each(named('crl'))('%s is read and has a time', (path) => {
    const crl = parseCrl(readAll(path)[0]!)
    expect(crl.nextUpdate?.getTime()).toBeGreaterThan(crl.thisUpdate.getTime())
  })

  it('are verified by their issuer, in their time only', async () => {
    const crl = parseCrl(readAll('google-go-tdx-guest/rootcrl.der')[0]!)
    const issuer = parseCertificate(readAll('google-go-tdx-guest/trusted_root.pem')[0]!)
    await verifyCrl({ crl, issuer, at: new Date('2023-06-01T00:00:00Z') })
    await expect(verifyCrl({ crl, issuer, at: new Date('2023-04-01T00:00:00Z') })).rejects.toMatchObject({
      code: 'CrlNotYetValid',
    })
    await expect(verifyCrl({ crl, issuer, at: new Date('2024-05-01T00:00:00Z') })).rejects.toMatchObject({
      code: 'CrlExpired',
    })
    const other = parseCertificate(readAll('virtee-sev/builtin_milan_ark.pem')[0]!)
    await expect(verifyCrl({ crl, issuer: other, at: new Date('2023-06-01') })).rejects.toMatchObject({
      code: 'CrlIssuerMismatch',
    })
  })
})

describe('parsePem', () => {
  it.each([
    ['', 'Missing'],
    ['-----BEGIN CERTIFICATE-----\nMAA=\n', 'Truncated'],
    ['-----BEGIN CERTIFICATE-----\nM*A=\n-----END CERTIFICATE-----', 'InvalidEncoding'],
    ['-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----', 'Missing'],
    ['-----BEGIN ', 'InvalidEncoding'],
  ])('refuses %j: %s', (text, code) => {
    expect(() => parsePem(text)).toThrow(expect.objectContaining({ code }))
  })

  it('reads every block in order, with text around', () => {
    const block = (body: string): string => `-----BEGIN CERTIFICATE-----\r\n${body}\r\n-----END CERTIFICATE-----`
    expect(parsePem(`subject=x\n${block('MAA=')}\n\n${block('MAE=')}\0`)).toEqual([
      Uint8Array.of(0x30, 0),
      Uint8Array.of(0x30, 1),
    ])
  })

  it('never ends in another error than a ParseError', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('-----', 'BEGIN ', 'END ', 'CERTIFICATE', 'MAA=', '\n', 'x') }),
        (text) => {
          try {
            parsePem(text)
          } catch (error) {
            expect(error).toBeInstanceOf(ParseError)
          }
        },
      ),
    )
  })
})
