import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Check } from '@strongroom/evidence'
import { detect, judge, type Piece } from '@strongroom/evidence/files'
import { readPolicy } from '../../apps/cli/src/evidence/policy/policy.ts'
import { tokenFiles } from '../packages/reader-tokens.ts'
import { makeBoot, makeSilicon, type Boot } from './boot.ts'

/** Milliseconds: generating 4096-bit keys takes seconds, and longer on a busy machine. */
const making = 240_000
const [b16, b32, b48, b64] = [16, 32, 48, 64].map((length) => 'a5'.repeat(length)) as [string, string, string, string]
const root = [{ name: 'another', spkiSha256: b32 }]
const high = { major: 255, minor: 255, build: 255 }

/** A demand of each member that no evidence here meets, as a policy file has it. */
const demands: Record<string, Record<string, unknown>> = {
  snp: {
    measurements: [b48],
    reportData: b64,
    hostData: b32,
    familyId: b16,
    imageId: b16,
    idKeyDigests: [b48],
    authorKeyDigests: [b48],
    reportIds: [b32],
    reportIdsMa: [b32],
    vmpls: [3],
    products: ['Genoa'],
    steppings: [255],
    chipIds: [b64],
    providerIds: ['nobody'],
    guestPolicies: ['0x0'],
    minimumAbi: { major: 255, minor: 255 },
    minimumGuestSvn: 0xffffffff,
    tcb: { reported: { maximum: { fmc: 0, microcode: 0 } } },
    minimumFirmware: high,
    minimumCommittedFirmware: high,
    mitigations: { launch: '0xffffffffffffffff' },
    require: { pageSwapForbidden: true },
  },
  tdx: {
    tcbStatuses: ['Revoked'],
    minimumTcbEvaluationDataNumber: 1_000_000,
    minimumTcbDate: '2100-01-01',
    xfamAllowed: '0x0',
    mrTds: [b48],
    mrSeams: [b48],
    mrConfigId: b48,
    mrOwner: b48,
    mrOwnerConfig: b48,
    rtmrs: { 0: b48 },
    reportData: b64,
    minimumTeeTcbSvn: 'ff'.repeat(16),
    minimumTeeTcbSvn2: 'ff'.repeat(16),
    fmspcs: ['a5a5a5a5a5a5'],
    platformInstanceIds: [b16],
    require: { smtOff: true, staticPlatform: true, noCachedKeys: true },
    mrServiceTds: [b48],
  },
  cca: {
    initialMeasurements: [b32],
    extensibleMeasurements: { 2: b32 },
    personalization: b64,
    implementationIds: [b32],
    instanceIds: ['a5'.repeat(33)],
  },
  hcl: { userData: b64, configuration: { 'secure-boot': false } },
  boot: { secureBoot: false, applications: [b32], unifiedKernel: { '.linux': b32 } },
  tpm: { nonce: b32, pcrs: { 7: b48 }, roots: root },
  token: {
    kind: 'policy',
    issuer: 'https://another.example',
    audience: 'another',
    keys: root,
    roots: root,
    algorithms: ['ES512'],
    claims: { another: 'claim' },
    maximumAge: 0,
  },
  release: { roots: root },
}
/** Members that permit, or that deny some of many: no value of theirs refuses everything. */
const open: Record<string, string[]> = {
  snp: ['deniedChipIds', 'allow'],
  tdx: [
    'acceptedAdvisoryIds',
    'rejectedAdvisoryIds',
    'debugAllowed',
    'migratableAllowed',
    'septVeDisableRequired',
    'pksAllowed',
    'keyLockerAllowed',
    'perfmonAllowed',
    'deniedPpids',
    'noServiceTd',
  ],
  release: ['signer', 'usage'],
}
/** What a member needs beside it, to be read at all. */
const beside: Record<string, object> = { release: { signer: 'any' } }
/** Hardware, TPM documents: where a member's kind is absent but another of the same purpose is there, it is refused. */
const purposes: Record<string, string[]> = {
  snp: ['SNP report', 'SNP paravisor', 'TD quote', 'Nitro document', 'CCA token'],
  tdx: ['SNP report', 'SNP paravisor', 'TD quote', 'Nitro document', 'CCA token'],
  cca: ['SNP report', 'SNP paravisor', 'TD quote', 'Nitro document', 'CCA token'],
  'tpm.pcrs': ['CCA token'],
  'tpm.roots': ['Nitro document', 'CCA token'],
}

/** The table of the page: members, and the evidence that they apply to. */
function statedKinds(): Map<string, string[]> {
  const page = readFileSync(new URL('../../docs/reference/policies.md', import.meta.url), 'utf8')
  const section = page.split('## Which evidence a member applies to')[1]!.split('\n## ')[0]!
  const rows = [...section.matchAll(/^\| `([\w.]+)` \| ([^|]+) \|$/gm)]
  return new Map(rows.map(([, members, kinds]) => [members!, kinds!.split(',').map((kind) => kind.trim())]))
}

describe('each member of a policy', { timeout: making }, () => {
  let boots: { snp: Boot; tdx: Boot }
  let files: Record<string, Uint8Array>
  let kinds: Record<string, Piece[]>
  beforeAll(async () => {
    const silicon = await makeSilicon()
    boots = { snp: await makeBoot('SNP', silicon), tdx: await makeBoot('TDX', silicon) }
    files = await tokenFiles()
    const { snp, tdx } = boots
    const json = (name: string, value: unknown): Piece[] => detect(name, Buffer.from(JSON.stringify(value)))
    const { vtpm, measuredBoot } = snp.evidence
    const ak = Buffer.from(vtpm.akCertificatePem + vtpm.akCertificateChainPem)
    kinds = {
      'SNP report': json('report', snp.evidence.silicon),
      'SNP paravisor': [
        ...json('hcl', { hcl_report: vtpm.hclReport }),
        ...json('chain', snp.evidence.silicon).slice(1),
      ],
      'TD quote': json('quote', tdx.evidence.silicon),
      'TPM quote': [...json('tpm', measuredBoot), ...detect('ak', ak)],
      'Nitro document': detect('nitro', files['nitro.cbor']!),
      'CCA token': [...detect('cca', files['cca.cbor']!), ...detect('cpak', files['cpak.der']!)],
      token: [...json('token', { token: snp.evidence.attestation.token }), ...json('keys', snp.jwks)],
      release: json('release', { value: snp.evidence.release.jws }),
    }
  }, making)

  const failedIn = (check: Check): string[] => [
    ...(check.children.length === 0 && check.outcome === 'failed' ? [`${check.id} ${check.code}`] : []),
    ...check.children.flatMap(failedIn),
  ]
  const unusedIn = (check: Check): Check[] => [
    ...(check.id === 'policy.used' ? [check] : []),
    ...check.children.flatMap(unusedIn),
  ]
  const run = async (kind: string, policy: object): Promise<{ verdict: string; check: Check }> => {
    const { anchors, at } = boots.snp
    return judge({
      pieces: kinds[kind]!,
      anchors: { ...anchors, ...boots.tdx.anchors },
      at,
      policy: readPolicy(policy),
    })
  }

  it('is compared with a TD whose tree names root, evaluation numbers, lists and files', async () => {
    const { check } = await run('TD quote', { tdx: { septVeDisableRequired: false } })
    const texts = new Map(check.children[0]!.children.map(({ id, actual }) => [id, actual]))
    expect(texts.get('tdx.pck.path')).toMatch(/^.+, key [0-9a-f]{64}$/)
    expect(texts.get('tdx.tcbInfo.signature')).toMatch(/^evaluation data number \d+, from quote collateral tcbInfo/)
    expect(texts.get('tdx.qeIdentity.signature')).toMatch(
      /^evaluation data number \d+, from quote collateral qeIdentity/,
    )
    expect(texts.get('tdx.crl.root')).toMatch(/, list [0-9a-f]+ of .+, from quote collateral rootCaCrl$/)
    expect(texts.get('tdx.crl.pck')).toMatch(/, list [0-9a-f]+ of .+, from quote collateral pckCrl$/)
  })

  it('is in this table: the reader of policies knows no other', () => {
    for (const [part, members] of Object.entries(demands)) {
      const error = ((): { detail: { innererror: { expected: string } } } => {
        try {
          readPolicy({ [part]: { nothing: 1 } })
          throw new Error('read')
        } catch (caught) {
          return caught as never
        }
      })()
      const known = error.detail.innererror.expected.replace('one of ', '').split(', ')
      expect([part, [...Object.keys(members), ...(open[part] ?? [])].toSorted()]).toEqual([part, known.toSorted()])
    }
  })

  it.each(Object.entries(demands).flatMap(([part, members]) => Object.keys(members).map((name) => [part, name])))(
    '%s.%s refuses the evidence it applies to, and is named where it cannot apply (attack E30)',
    async (part, name) => {
      const stated = statedKinds()
      const applies = stated.get(`${part}.${name}`) ?? stated.get(part)!
      const policy = { [part]: { ...beside[part], [name]: demands[part]![name] } }
      for (const kind of Object.keys(kinds)) {
        const before = new Set(failedIn((await run(kind, {})).check))
        const { verdict, check } = await run(kind, policy)
        const added = failedIn(check).filter((each) => !before.has(each))
        const place = [part, name, kind]
        expect([...place, verdict === 'accepted' || verdict === 'unendorsed']).toEqual([...place, false])
        // A paravisor's report or a TD without the quote or log that its policy asks for is named too.
        const unused = unusedIn(check)
          .filter(({ message = '' }) => !message.startsWith('The policy asks for '))
          .map(({ outcome, code, message = '' }) => [
            outcome,
            code,
            message.includes(`${part}.${name}`) || message.includes(`part ${part} `),
          ])
        const purpose = purposes[`${part}.${name}`] ?? purposes[part] ?? []
        if (applies.includes(kind)) {
          expect([...place, added.length > 0 && !added.includes('policy.used RuleNotApplicable'), unused]).toEqual([
            ...place,
            true,
            [],
          ])
        } else if (purpose.includes(kind)) {
          const permits = part === 'tdx' && name === 'tcbStatuses'
          const wanted = permits ? ['skipped', undefined, true] : ['failed', 'RuleNotApplicable', true]
          expect([...place, unused]).toEqual([...place, [wanted]])
        } else {
          expect([...place, unused]).toEqual([...place, [['skipped', undefined, true]]])
        }
      }
    },
  )
})
