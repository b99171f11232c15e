import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import type { BootEvidence } from '@strongroom/contract'
import { parseRuntimeClaims, toHex, utf8 } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { sharedIssuer } from '../provenance/asked.ts'
import { constant, vouch } from '../provenance/known.ts'
import { judge, type Link } from '../provenance/link.ts'
import type { SiliconFinding } from './silicon-link.ts'
import { tokenLink } from './token-link.ts'

const vmId = 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE'
const at = new Date('2026-12-01T10:00:00Z')
const seconds = at.getTime() / 1000
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const keySet = (key: KeyObject): unknown => ({
  keys: [{ ...key.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' }],
})
const [measurement, reportData] = [new Uint8Array(48).fill(1), new Uint8Array(64).fill(2)]

type Kind = 'SNP' | 'TDX'
const own = (kind: Kind): Record<string, unknown> => ({
  iss: sharedIssuer,
  iat: seconds,
  nbf: seconds,
  exp: seconds + 3600,
  'x-ms-attestation-type': kind === 'SNP' ? 'sevsnpvm' : 'tdxvm',
  'x-ms-compliance-status': 'azure-compliant-cvm',
  [kind === 'SNP' ? 'x-ms-sevsnpvm-launchmeasurement' : 'tdx_mrtd']: toHex(measurement),
  [kind === 'SNP' ? 'x-ms-sevsnpvm-reportdata' : 'tdx_report_data']: toHex(reportData),
  'x-strongroom-simulated': true,
  'x-ms-runtime': { 'vm-configuration': { vmUniqueId: vmId } },
  'x-ms-policy-hash': 'hash',
})

interface Case {
  kind?: Kind
  claims?: Record<string, unknown>
  /** Who issues the token; default: the shared provider. */
  issuer?: string
  evidence?: Partial<BootEvidence>
  keys?: unknown
  asked?: Parameters<typeof tokenLink>[2]['asked']
  verifiers?: NonNullable<Parameters<typeof tokenLink>[2]['verifiers']>
  by?: KeyObject
}

async function linked(o: Case = {}): Promise<Link> {
  const { kind = 'SNP', asked } = o
  const parts = [
    { alg: 'RS256', typ: 'JWT', kid: 'one', jku: `${o.issuer ?? sharedIssuer}/certs` },
    { ...own(kind), ...(o.issuer && { iss: o.issuer }), ...o.claims },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
  const token = `${parts.join('.')}.${sign('sha256', Buffer.from(parts.join('.')), o.by ?? pair.privateKey).toString('base64url')}`
  const evidence = {
    release: { at: at.toISOString() },
    startedAt: at.toISOString(),
    simulated: true,
    ...o.evidence,
    attestation: { issuer: sharedIssuer, token, jwks: { keys: [] }, ...o.evidence?.attestation },
  } as unknown as BootEvidence
  const silicon: SiliconFinding = {
    kind: kind === 'SNP' ? constant('SNP') : constant('TDX'),
    measurement: vouch(measurement, 'silicon'),
    reportData: vouch(reportData, 'silicon'),
    verifySibling: async () => ({ measurement: vouch(measurement, 'silicon'), reportData: undefined }),
  }
  const text = utf8(JSON.stringify({ keys: [], 'vm-configuration': { vmUniqueId: vmId } }))
  const claims = vouch(parseRuntimeClaims(text), 'silicon')
  return await judge('token', '', async (proof) => {
    const fetchKeySet = async (): Promise<unknown> => o.keys ?? keySet(pair.publicKey)
    const issuer =
      asked !== undefined && 'issuer' in asked ? vouch(asked.issuer, 'first use') : vouch(sharedIssuer, 'computed')
    const found = await tokenLink(
      evidence,
      { silicon, claims },
      { fetchKeySet, asked, issuer, proof, ...(o.verifiers && { verifiers: o.verifiers }) },
    )
    expect(found.verifier.key.id).toBe('one')
  })
}

describe('the link to the token', () => {
  it.each(['SNP', 'TDX'] as const)('holds for one of this boot by the provider’s published key, %s', async (kind) => {
    expect(await linked({ kind })).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'published key', 'computed'],
      shows: [
        `verified by a provider of this installation: ${sharedIssuer}`,
        expect.stringMatching(/^published key one…, thumbprint [\w-]{43}$/),
        'compliance azure-compliant-cvm, policy hash',
      ],
      stated: [`its keys were fetched from ${sharedIssuer}/certs`],
    })
  })

  it.each([
    ['SNP', 'x-ms-attestation-type', 'tdxvm'],
    ['SNP', 'x-ms-compliance-status', 'none'],
    ['SNP', 'x-ms-sevsnpvm-launchmeasurement', '00'],
    ['SNP', 'x-ms-sevsnpvm-reportdata', '00'],
    ['SNP', 'x-strongroom-simulated', undefined],
    ['TDX', 'x-ms-attestation-type', 'sevsnpvm'],
    ['TDX', 'tdx_mrtd', '00'],
    ['TDX', 'tdx_report_data', '00'],
  ] as const)('is refused where %s has another claim %s', async (kind, name, value) => {
    expect(await linked({ kind, claims: { [name]: value } })).toMatchObject({
      outcome: 'refused',
      why: `The token's claim ${name} differs.`,
      actual: String(value),
    })
  })

  it('is refused for another VM than the attested claims have, and for none', async () => {
    for (const [runtime, actual] of [
      [{ 'vm-configuration': { vmUniqueId: 'B' } }, 'B'],
      [{}, 'undefined'],
      [undefined, 'undefined'],
    ])
      expect(await linked({ claims: { 'x-ms-runtime': runtime } })).toMatchObject({
        why: 'The token belongs to another VM.',
        expected: vmId,
        actual,
      })
  })

  it('is refused under another key than the published one, whatever key set the host stored', async () => {
    const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const jwks = keySet(foreign.publicKey) as BootEvidence['attestation']['jwks']
    const stored = { attestation: { jwks } } as Partial<BootEvidence>
    for (const evidence of [{}, stored])
      expect(await linked({ by: foreign.privateKey, evidence })).toMatchObject({ code: 'TokenSignatureInvalid' })
    expect(await linked({ keys: { keys: [] } })).toMatchObject({ code: 'TokenKeyUnknown' })
    expect(await linked({ keys: 'none' })).toMatchObject({ outcome: 'not checked' })
  })

  it('is refused where it is older than the boot that the host states', async () => {
    const startedAt = new Date(at.getTime() + 1000).toISOString()
    expect(await linked({ evidence: { startedAt } })).toMatchObject({ why: 'The token was issued before this boot.' })
    expect(await linked({ evidence: { startedAt: new Date(at.getTime() + 999).toISOString() } })).toMatchObject({
      outcome: 'verified',
    })
  })

  it('is refused without a time of issue', async () => {
    expect(await linked({ claims: { iat: undefined } })).toMatchObject({
      outcome: 'refused',
      why: 'The token was issued before this boot.',
      actual: 'no time',
    })
  })

  it('states that silicon is simulated only where the evidence does', async () => {
    const claims = { 'x-strongroom-simulated': undefined }
    expect(await linked({ evidence: { simulated: false }, claims })).toMatchObject({ outcome: 'verified' })
  })

  it('may be of a provider that the operator named', async () => {
    const issuer = 'https://attest.example.org'
    const verifiers = [{ name: 'witness', issuer, keys: 'https://keys.example.org', collateral: false }]
    const evidence = { attestation: { issuer, jwks: { keys: [] } } } as unknown as Partial<BootEvidence>
    const o = { issuer, evidence, asked: { issuer } }
    expect((await linked({ ...o, verifiers })).shows[0]).toBe(`verified by a provider of another origin: ${issuer}`)
    expect(await linked(o)).toMatchObject({ outcome: 'refused', actual: issuer })
  })

  it('is refused from another provider than the VM named, and not checked where that is unknown', async () => {
    const asked = { issuer: 'https://other.weu.attest.strongroom.internal' }
    expect(await linked({ asked })).toMatchObject({ expected: asked.issuer, actual: sharedIssuer })
    expect(await linked({ asked: { unknown: 'it was deleted' } })).toMatchObject({
      outcome: 'not checked',
      why: 'it was deleted',
    })
  })
})
