import { attestationKeyUsage, releaseSigningUsage, type BootFacts } from '@strongroom/contract'
import { authorityExtensions, oid, sequence } from '@strongroom/der'
import {
  buildHclReport,
  parseCertificate,
  parseRuntimeClaims,
  spkiSha256,
  toBase64Url,
  utf8,
  type Certificate,
} from '@strongroom/evidence'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from '../../packages/silicon/src/pki/keys.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'
import type { SiliconFinding } from '../../packages/trust/src/links/silicon-link.ts'
import { vtpmLink } from '../../packages/trust/src/links/vtpm-link.ts'
import { constant, vouch } from '../../packages/trust/src/provenance/known.ts'
import { judge, type Link } from '../../packages/trust/src/provenance/link.ts'
import { akPublic, rsaKey, type RsaKey } from '../corpus/boot.ts'

const vmId = '6F1E2B5C-0000-4000-8000-0123456789AB'
const at = new Date('2026-06-01T00:00:00Z')
const validity = { notBefore: new Date('2026-05-01'), notAfter: new Date('2026-07-01') }
const caName = [['CN', 'Strongroom installation']] as const

let authority: SigningKey
let foreign: SigningKey
let ca: Certificate
let ak: RsaKey
let other: RsaKey

const root = async (signer: SigningKey): Promise<Certificate> =>
  parseCertificate(
    await issueCertificate({
      issuer: caName,
      signer,
      ...validity,
      serialNumber: 1n,
      subject: caName,
      subjectKey: signer.spki,
      extensions: authorityExtensions(),
    }),
  )

beforeAll(async () => {
  authority = await loadOrCreateKey(memoryKeyStore(), 'ca', 'ecdsa-p256-sha256')
  foreign = await loadOrCreateKey(memoryKeyStore(), 'ca', 'ecdsa-p256-sha256')
  ca = await root(authority)
  ;[ak, other] = [await rsaKey(), await rsaKey()]
})

interface Case {
  /** Who holds which key: quoted by the vTPM, in the attested claims, in the vTPM's own report, in the certificate. */
  quotes?: RsaKey
  claimed?: RsaKey
  reported?: RsaKey
  certified?: Pick<RsaKey, 'spki'>
  signer?: SigningKey
  subject?: readonly (readonly ['CN' | 'O', string])[]
  usages?: string[]
  /** What stands where the certificate does. */
  pem?: string
  sibling?: number
  time?: Date
}

async function linked(o: Case = {}): Promise<Link> {
  const { quotes = ak, claimed = ak, reported = ak, certified = ak, usages = [attestationKeyUsage] } = o
  const claimsOf = ({ jwk }: RsaKey): Uint8Array =>
    utf8(
      JSON.stringify({
        keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', ...jwk }],
        'vm-configuration': { vmUniqueId: vmId },
      }),
    )
  const certificate = await issueCertificate({
    issuer: caName,
    signer: o.signer ?? authority,
    ...validity,
    serialNumber: 2n,
    subject: o.subject ?? [['CN', vmId]],
    subjectKey: certified.spki,
    extensions: [
      ...leafExtensions(),
      ...(usages.length > 0 ? [{ oid: '2.5.29.37', value: sequence(...usages.map((each) => oid(each))) }] : []),
    ],
  })
  const claims = claimsOf(reported)
  // The report's own signature is for siliconLink's verifySibling, tried in hardware-links.test.ts.
  const report = new Uint8Array(1184)
  report.set(new Uint8Array(await crypto.subtle.digest('SHA-256', Uint8Array.from(claims))), 0x50)
  const hclReport = buildHclReport({ hardwareReport: report, reportType: 'SNP', claims })
  const measurement = (fill: number) => vouch(new Uint8Array(48).fill(fill), 'silicon')
  const silicon: SiliconFinding = {
    kind: constant('SNP'),
    measurement: measurement(1),
    reportData: vouch(new Uint8Array(64), 'silicon'),
    verifySibling: async () => ({ measurement: measurement(o.sibling ?? 1), reportData: undefined }),
  }
  const vtpm = {
    akPublic: toBase64Url(akPublic(quotes)),
    akCertificatePem: o.pem ?? toPem([certificate]),
    hclReport: toBase64Url(hclReport),
  } as BootFacts['vtpm']
  const seen = { silicon, claims: vouch(parseRuntimeClaims(claimsOf(claimed)), 'silicon') }
  return await judge('vtpm', '', async (proof) => {
    const trust = { certificate: ca, root: { name: 'own', spkiSha256: await spkiSha256(ca) }, at: o.time ?? at, proof }
    const found = await vtpmLink({ vtpm }, seen, trust)
    expect([found.value, [...found.restsOn]]).toEqual([akPublic(quotes), ['silicon']])
  })
}

describe('the link to the vTPM', () => {
  it('holds where claims, report and certificate name the key that quotes', async () => {
    expect(await linked()).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'pinned key'],
      shows: [
        expect.stringMatching(
          new RegExp(`^AK RSA-2048 .* in attested claims, HCL report and certificate \\(.*${vmId}`),
        ),
      ],
    })
  })

  it.each([
    ['the key that quotes', { quotes: true }],
    ['the attested claims', { claimed: true }],
    ['the vTPM’s report', { reported: true }],
  ] as const)('is refused where %s is another', async (_what, which) => {
    const of = Object.fromEntries(Object.keys(which).map((name) => [name, other]))
    expect(await linked(of)).toMatchObject({ outcome: 'refused', code: 'BindingMismatch' })
  })

  it('is refused where the certificate is for another key, VM, use, or by another authority', async () => {
    for (const [certified, actual] of [
      [other, 'RSA'],
      [authority, 'EC'],
    ] as const)
      expect(await linked({ certified })).toMatchObject({
        outcome: 'refused',
        why: 'The AK certificate is for another key.',
        actual,
      })
    expect(await linked({ subject: [['CN', 'another']] })).toMatchObject({
      why: 'The AK certificate belongs to another VM.',
      expected: vmId,
      actual: 'another',
    })
    expect(await linked({ subject: [['O', 'nobody']] })).toMatchObject({ actual: 'no name' })
    for (const usages of [[releaseSigningUsage], [attestationKeyUsage, releaseSigningUsage], []])
      expect(await linked({ usages })).toMatchObject({
        why: 'The certificate is not for an attestation key.',
        actual: usages.join(', ') || 'none',
      })
    expect(await linked({ pem: '' })).toMatchObject({ outcome: 'refused', code: 'Missing' })
    expect(await linked({ signer: foreign })).toMatchObject({ outcome: 'refused', code: 'CertificateSignatureInvalid' })
    expect(await linked({ time: new Date('2027-01-01') })).toMatchObject({
      outcome: 'refused',
      code: 'CertificateExpired',
    })
  })

  it('is refused where the vTPM’s report is of another guest', async () => {
    expect(await linked({ sibling: 2 })).toMatchObject({
      why: "The vTPM's report belongs to another guest.",
      expected: '01'.repeat(48),
      actual: '02'.repeat(48),
    })
  })
})
