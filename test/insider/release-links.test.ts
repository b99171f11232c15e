import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import {
  attestationKeyUsage,
  guestStateGenerationTag,
  platformKeyReleasePolicy,
  releaseSigningUsage,
  type BootEvidence,
} from '@strongroom/contract'
import { authorityExtensions, oid, sequence } from '@strongroom/der'
import { parseRuntimeClaims, utf8, type TrustAnchor } from '@strongroom/evidence'
import { memoryKeyStore } from '@strongroom/silicon/testing'
import { beforeAll, describe, expect, it } from 'vitest'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from '../../packages/silicon/src/pki/keys.ts'
import { spkiPin } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { customerLink } from '../../packages/trust/src/links/customer-link.ts'
import type { SiliconFinding } from '../../packages/trust/src/links/silicon-link.ts'
import { releaseLink, type TokenFinding } from '../../packages/trust/src/links/token-link.ts'
import { constant, vouch } from '../../packages/trust/src/provenance/known.ts'
import { judge, type Link } from '../../packages/trust/src/provenance/link.ts'

const vmId = '6F1E2B5C-0000-4000-8000-0123456789AB'
const at = new Date('2026-06-01T00:00:00Z')
const keyId = 'https://platform.vault.example/keys/vm-key/0123456789abcdef0123456789abcdef'
const issuer = 'https://sharedweu.weu.attest.strongroom.internal'
const azure = 'https://sharedweu.weu.attest.azure.net'
const compliant = { 'x-ms-compliance-status': 'azure-compliant-cvm' }
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

let authority: SigningKey
let root: TrustAnchor
let rootDer: Uint8Array
beforeAll(async () => {
  authority = await loadOrCreateKey(memoryKeyStore(), 'ca', 'ecdsa-p256-sha256')
  root = { name: 'own', spkiSha256: await spkiPin(authority) }
  rootDer = await issued(authority.spki, authorityExtensions())
})
const issued = async (subjectKey: Uint8Array, extensions: ReturnType<typeof leafExtensions>): Promise<Uint8Array> =>
  await issueCertificate({
    issuer: [['CN', 'own']],
    signer: authority,
    notBefore: new Date('2026-05-01'),
    notAfter: new Date('2026-07-01'),
    serialNumber: 1n,
    subject: [['CN', 'own']],
    subjectKey,
    extensions,
  })

interface Case {
  /** As the vault signed it. */
  policy?: unknown
  tags?: Record<string, unknown>
  wrappedFor?: string
  usage?: string
  /** As the host states it beside the vault's answer. */
  stated?: string
  kind?: 'SNP' | 'TDX'
}

/** The vault's signed answer. */
async function answer(o: Case): Promise<string> {
  const spki = new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' }))
  const usage = { oid: '2.5.29.37', value: sequence(oid(o.usage ?? releaseSigningUsage)) }
  const x5c = [await issued(spki, [...leafExtensions(), usage]), rootDer]
  const header = { kid: o.wrappedFor ?? 'HCLTransferKey', enc: 'CKM_RSA_AES_KEY_WRAP' }
  const key = { kid: keyId, kty: 'RSA', key_hsm: encode({ header, ciphertext: 'AQ' }) }
  const body = { key, release_policy: { data: encode(o.policy) }, ...(o.tags && { tags: o.tags }) }
  const input = [
    { alg: 'RS256', x5c: x5c.map((der) => Buffer.from(der).toString('base64')) },
    { request: {}, response: { key: body } },
  ]
  const text = input.map(encode).join('.')
  return `${text}.${sign('sha256', Buffer.from(text), pair.privateKey).toString('base64url')}`
}

const tokenOf = (claims: Record<string, unknown> = compliant): TokenFinding => ({
  issuer: vouch(issuer, 'computed'),
  claims: vouch({ jti: '0123456789abcdef01234567', ...claims }, 'published key', 'computed'),
  verifier: { issuer, origin: 'installation', keys: '', key: { id: '', thumbprint: '' } },
})

describe('the link from the token to the key released', () => {
  const own = (attestationType: 'sevsnpvm' | 'tdxvm' = 'sevsnpvm'): unknown =>
    platformKeyReleasePolicy({ authority: issuer, attestationType, vmId })
  async function linked(o: Case): Promise<Link & { counter: number | undefined }> {
    const { kind = 'SNP', policy = own() } = o
    const release = { jws: await answer({ ...o, policy }), at: at.toISOString(), keyId: o.stated ?? keyId }
    const silicon: SiliconFinding = {
      kind: kind === 'SNP' ? constant('SNP') : constant('TDX'),
      measurement: vouch(new Uint8Array(48), 'silicon'),
      reportData: vouch(new Uint8Array(64), 'silicon'),
      verifySibling: async () => ({ measurement: vouch(new Uint8Array(48), 'silicon'), reportData: undefined }),
    }
    const text = utf8(JSON.stringify({ keys: [], 'vm-configuration': { vmUniqueId: vmId } }))
    const seen = { silicon, claims: vouch(parseRuntimeClaims(text), 'silicon'), token: tokenOf() }
    let counter: number | undefined
    const link = await judge('release', '', async (proof) => {
      const found = await releaseLink({ release } as BootEvidence, seen, { root, proof })
      counter = found.counter.value
      expect([found.release.value.keyId, [...found.release.restsOn]]).toEqual([keyId, ['pinned key']])
    })
    return { ...link, counter }
  }

  it('holds for the policy of this VM alone, with the vault’s counter', async () => {
    expect(await linked({ tags: { [guestStateGenerationTag]: '12' } })).toMatchObject({
      outcome: 'verified',
      counter: 12,
      restsOn: ['silicon', 'pinned key', 'published key', 'computed'],
      shows: [
        keyId,
        `CKM_RSA_AES_KEY_WRAP, policy ${sha256(JSON.stringify(own())).slice(0, 16)}… satisfied by token 0123456789abcdef…`,
      ],
    })
    expect(await linked({})).toMatchObject({ outcome: 'verified', counter: 0 })
    expect(await linked({ kind: 'TDX', policy: own('tdxvm') })).toMatchObject({ outcome: 'verified' })
  })

  it('is refused for a policy with one alternative more, or of the other technology', async () => {
    const [entry] = platformKeyReleasePolicy({ authority: issuer, attestationType: 'sevsnpvm', vmId }).anyOf
    const wider = { version: '1.0.0', anyOf: [entry, { ...entry, authority: 'https://other.example' }] }
    for (const [policy, kind] of [
      [wider, 'SNP'],
      [own('tdxvm'), 'SNP'],
      [own('sevsnpvm'), 'TDX'],
    ] as const)
      expect(await linked({ policy, kind })).toMatchObject({
        outcome: 'refused',
        why: 'The release policy does not bind the key to only this VM and this attestation provider.',
        actual: JSON.stringify(policy),
      })
  })

  it.each(['x', 'x1', '1x', '', 3])('is refused with the counter %j', async (counter) => {
    expect(await linked({ tags: { [guestStateGenerationTag]: counter } })).toMatchObject({
      why: 'The roll-back counter is not a number.',
      actual: JSON.stringify(counter),
    })
  })

  it('is refused for another key, wrapped for another, or signed by a key for other uses', async () => {
    expect(await linked({ stated: `${keyId}0` })).toMatchObject({
      why: 'The response is about another key.',
      expected: `${keyId}0`,
      actual: keyId,
    })
    expect(await linked({ wrappedFor: 'another' })).toMatchObject({
      why: 'The key was wrapped to a key other than the transfer key of this boot.',
      actual: 'another',
    })
    expect(await linked({ usage: attestationKeyUsage })).toMatchObject({ code: 'CertificateNotForThisUse' })
  })
})

describe('the link to the customer’s key', () => {
  const set = '/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/set'
  const policyOf = (name: string): unknown => ({
    version: '1.0.0',
    anyOf: [{ authority: name, allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }] }],
  })
  async function linked(
    o: Case & { asked?: string | undefined; kept?: string | false; maps?: boolean; claims?: Record<string, unknown> },
  ): Promise<Link> {
    const jws = await answer({ ...o, policy: o.policy ?? policyOf(issuer) })
    const kept = { diskEncryptionSet: o.kept || set, keyId: o.stated ?? keyId, jws, at: at.toISOString() }
    const evidence = { ...(o.kept !== false && { customerRelease: kept }) } as BootEvidence
    const asked = 'asked' in o ? o.asked : set
    const expected = asked === undefined ? undefined : vouch(asked, 'first use')
    return await judge('customer', '', async (proof) => {
      const rules = { root, expected, mapsAzureProviders: o.maps ?? false, proof }
      await customerLink(evidence, tokenOf(o.claims), rules)
    })
  }

  it('holds for a key of the VM’s set, in either case, under a policy that the token satisfies', async () => {
    expect(await linked({ asked: set.toUpperCase() })).toMatchObject({
      outcome: 'verified',
      restsOn: ['pinned key', 'published key', 'computed', 'first use'],
      stated: [],
      shows: [
        'key vm-key, version 0123456789abcdef0123456789abcdef, of platform.vault.example',
        `disk-encryption set ${set.toUpperCase()}`,
        `CKM_RSA_AES_KEY_WRAP, policy ${sha256(JSON.stringify(policyOf(issuer))).slice(0, 16)}… satisfied by token 0123456789abcdef…`,
      ],
    })
  })

  it('holds under Azure’s provider only where the operator has one of ours mean it, and says so', async () => {
    const policy = policyOf(azure)
    expect(await linked({ policy, maps: true })).toMatchObject({
      outcome: 'verified',
      shows: [expect.anything(), expect.anything(), expect.anything(), `its authority ${azure} means ${issuer} here`],
      stated: ['that meaning is the choice of this installation’s operator'],
    })
    expect(await linked({ policy, maps: false })).toMatchObject({ outcome: 'refused' })
    expect((await linked({ maps: true })).stated).toEqual([])
  })

  it.each([
    ['a set that was not asked for', { asked: undefined }, 'none', set],
    ['no key of the set that was', { kept: false }, set, 'none'],
    ['a key of another set', { kept: `${set}2` }, set, `${set}2`],
  ] as const)('is refused with %s', async (_what, change, expected, actual) => {
    expect(await linked(change)).toMatchObject({
      outcome: 'refused',
      why: 'The guest state was not decrypted with a key of the VM’s disk-encryption set.',
      expected,
      actual,
    })
  })

  it('does not exist for a VM without a set', async () => {
    expect(await linked({ kept: false, asked: undefined })).toMatchObject({
      outcome: 'refused',
      why: 'a VM without a disk-encryption set has no such link',
    })
  })

  it('is refused for another key, wrapped for another, or where the token does not satisfy the policy', async () => {
    expect(await linked({ stated: `${keyId}0` })).toMatchObject({ expected: `${keyId}0`, actual: keyId })
    expect(await linked({ wrappedFor: 'another' })).toMatchObject({ expected: 'HCLTransferKey', actual: 'another' })
    for (const maps of [true, false])
      expect(await linked({ maps, claims: { 'x-ms-compliance-status': 'none' } })).toMatchObject({
        why: 'The token does not satisfy the release policy of the customer’s key.',
        actual: 'none',
      })
  })
})
