import { generateKeyPairSync } from 'node:crypto'
import type { BootFacts, StatelessBootEvidence } from '@strongroom/contract'
import { hclReportData, parseRuntimeClaims, toBase64Url, utf8, type RuntimeClaims } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { constant, vouch, type Known } from '../provenance/known.ts'
import { judge, type Link, type Proof } from '../provenance/link.ts'
import { claimsLink, transferKeyLink } from './claims-link.ts'
import { guestStateLink } from './guest-state-link.ts'
import type { SiliconFinding } from './silicon-link.ts'
import { statelessLink } from './stateless-link.ts'

const vmId = 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE'
/** No key signs or encrypts here: a modulus of this length is enough. */
const jwkOf = (bits: number): Record<string, unknown> => ({
  kty: 'RSA',
  n: Buffer.alloc(bits / 8, 0xc1).toString('base64url'),
  e: 'AQAB',
})
const transfer = { ...jwkOf(2048), kid: 'HCLTransferKey', key_ops: ['encrypt'] }
const attestation = { ...jwkOf(2048), kid: 'HCLAkPub', key_ops: ['sign'] }
const configuration = {
  vmUniqueId: vmId,
  'secure-boot': true,
  'tpm-enabled': true,
  'tpm-persisted': true,
  'console-enabled': false,
}
const textOf = (keys: object[] = [attestation, transfer], more: object = {}): Uint8Array =>
  utf8(JSON.stringify({ keys, 'vm-configuration': { ...configuration, ...more } }))
const claimsOf = (...o: Parameters<typeof textOf>): Known<RuntimeClaims> =>
  vouch(parseRuntimeClaims(textOf(...o)), 'silicon')

const linkOf = async (check: (proof: Proof) => void | Promise<void>): Promise<Link> => await judge('id', '', check)

describe('the link from report to claims', () => {
  async function linked(raw: Uint8Array, o: { report?: Uint8Array; stated?: string; asked?: string } = {}) {
    const reportData = vouch(await hclReportData(o.report ?? raw), 'silicon')
    const silicon: SiliconFinding = {
      kind: constant('SNP'),
      measurement: vouch(new Uint8Array(48), 'silicon'),
      reportData,
      verifySibling: async () => ({ measurement: vouch(new Uint8Array(48), 'silicon'), reportData: undefined }),
    }
    const evidence: Pick<BootFacts, 'vmId' | 'runtimeClaims'> = {
      vmId: o.stated ?? vmId,
      runtimeClaims: toBase64Url(raw),
    }
    const asked = o.asked === undefined ? undefined : vouch(o.asked, 'first use')
    return await linkOf(async (proof) => void (await claimsLink(evidence, silicon, { vmId: asked, proof })))
  }

  it('holds for the claims that are in report_data, of the requested VM in either case', async () => {
    expect(await linked(textOf())).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon'],
      shows: [
        expect.stringMatching(/^SHA-256 [0-9a-f]{16}… is in report_data$/),
        `vmUniqueId ${vmId}, secure-boot true, tpm-enabled true, tpm-persisted true, console-enabled false`,
      ],
      stated: [],
    })
    expect(await linked(textOf(), { asked: vmId.toLowerCase() })).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'first use'],
    })
  })

  it('is refused for other claims than the report has, one byte apart', async () => {
    expect(await linked(textOf([], { more: 1 }), { report: textOf([], { more: 2 }) })).toMatchObject({
      outcome: 'refused',
      why: 'The report does not bind these claims.',
    })
  })

  it('is refused where the host names another VM than the claims, or the claims another than was requested', async () => {
    const other = vmId.replace('A', 'B')
    expect(await linked(textOf(), { stated: other })).toMatchObject({
      why: 'The claims belong to another VM.',
      expected: other,
      actual: vmId,
    })
    expect(await linked(textOf(), { asked: other })).toMatchObject({
      why: 'The evidence belongs to another VM than the requested one.',
      expected: other,
      actual: vmId,
    })
    expect(await linked(textOf([], { vmUniqueId: undefined }))).toMatchObject({ actual: 'undefined' })
  })
})

describe('the link to the transfer key', () => {
  const linked = async (keys: object[]): Promise<Link> =>
    await linkOf(async (proof) => await transferKeyLink(claimsOf(keys), proof))

  it('holds for the single key of the claims that encrypts', async () => {
    expect(await linked([attestation, transfer])).toMatchObject({
      outcome: 'verified',
      shows: [expect.stringMatching(/^RSA-2048 [0-9a-f]{16}…, created for this boot only$/)],
      restsOn: ['silicon'],
    })
  })

  it('is refused without one, and with two', async () => {
    for (const [keys, actual] of [
      [[attestation], '0'],
      [[transfer, transfer], '2'],
    ] as const)
      expect(await linked([...keys])).toMatchObject({
        outcome: 'refused',
        why: 'The runtime claims have no single transfer key.',
        expected: 'one HCLTransferKey',
        actual,
      })
  })

  it('is refused for a short key, and for one that does not encrypt', async () => {
    expect(await linked([{ ...transfer, ...jwkOf(1024) }])).toMatchObject({
      why: 'The transfer key is too weak.',
      actual: 'rsa of 1024 bits',
    })
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    expect(await linked([{ ...publicKey.export({ format: 'jwk' }), kid: 'HCLTransferKey' }])).toMatchObject({
      outcome: 'refused',
      code: 'UnknownType',
    })
    for (const [key_ops, actual] of [
      [['sign'], '["sign"]'],
      ['encrypt', '"encrypt"'],
    ])
      expect(await linked([{ ...transfer, key_ops }])).toMatchObject({
        why: 'The transfer key is not for encryption.',
        actual,
      })
    expect(await linked([{ ...transfer, key_ops: undefined }])).toMatchObject({
      why: 'The transfer key is not for encryption.',
    })
  })
})

describe('the link to a guest with no operator services', () => {
  const none = {} as StatelessBootEvidence
  const linked = async (keys: object[], more: object, evidence = none): Promise<Link> =>
    await linkOf((proof) => statelessLink(evidence, claimsOf(keys, more), proof))

  it('holds where the claims state a vTPM that is not persistent, and no key to release anything to', async () => {
    expect(await linked([attestation], { 'tpm-persisted': false })).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon'],
      stated: [
        'no token, no released key and no guest state of the operator’s are in the evidence',
        'relying parties ask this guest for evidence, with their own verifier and keys (docs/guides/virtual-machines.md)',
      ],
    })
  })

  it.each([true, undefined, 'false '])('is refused where they state tpm-persisted %s', async (persisted) => {
    expect(await linked([attestation], { 'tpm-persisted': persisted })).toMatchObject({
      why: 'The attested claims do not state that the vTPM is not persistent.',
      expected: 'tpm-persisted false',
      actual: `tpm-persisted ${persisted}`,
    })
  })

  it('is refused with a transfer key, and with anything of the operator’s in the evidence', async () => {
    expect(await linked([transfer], { 'tpm-persisted': false })).toMatchObject({ expected: 'no HCLTransferKey' })
    for (const part of ['attestation', 'release', 'guestState'])
      expect(
        await linked([attestation], { 'tpm-persisted': false }, {
          [part]: undefined,
        } as unknown as StatelessBootEvidence),
      ).toMatchObject({ why: `The boot used the operator's ${part}.`, actual: part })
  })
})

describe('the link to the guest state', () => {
  const linked = async (generation: number, o: { counter?: number; freshDataKey?: boolean } = {}): Promise<Link> => {
    const { counter = 3, freshDataKey = true } = o
    const evidence = { guestState: { format: 'VMGS' as const, generation, freshDataKey } }
    return await linkOf((proof) =>
      guestStateLink(evidence, {
        counter: vouch(counter, 'pinned key'),
        claims: claimsOf(),
        restored: undefined,
        proof,
      }),
    )
  }

  it('rests on the counter that the vault signed, and tells apart what the host states', async () => {
    expect(await linked(3)).toMatchObject({
      outcome: 'verified',
      shows: ['the key service’s counter at this release is 3: the paravisor opens no guest state that is older'],
      stated: ['VMGS, AES-256-GCM, generation 3, fresh data key at this boot'],
      restsOn: ['silicon', 'pinned key'],
    })
    expect((await linked(4)).outcome).toBe('verified')
  })

  it('is refused where the host states an older generation, or that it stored the data key', async () => {
    expect(await linked(2)).toMatchObject({
      why: 'The guest state is older than the key service last saw.',
      expected: 'generation 3 or later',
      actual: 'generation 2',
    })
    expect(await linked(3, { freshDataKey: false })).toMatchObject({ expected: 'a fresh key', actual: 'a stored one' })
  })
})
