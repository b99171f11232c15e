import { tcbStatuses, tokenAlgorithms } from '@strongroom/evidence'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CliError } from '../../core/cli-error.ts'
import { readAnchors, readPolicy } from './policy.ts'

interface Refusal {
  code: string
  message: string
  expected?: string
  found?: string
}

function refusal(read: () => unknown): Refusal | undefined {
  try {
    read()
    return undefined
  } catch (error) {
    const { code, message, detail } = error as CliError
    return { code, message, ...detail.innererror }
  }
}

const digest = 'aa'.repeat(48)
const root = { name: 'root', spkiSha256: 'AB'.repeat(32) }

/** Every member of a policy, each with a valid value. */
const good = {
  snp: {
    measurements: [digest],
    reportData: 'ab'.repeat(64),
    hostData: '00'.repeat(32),
    familyId: '01'.repeat(16),
    imageId: '02'.repeat(16),
    idKeyDigests: [digest],
    authorKeyDigests: [digest],
    reportIds: ['03'.repeat(32)],
    reportIdsMa: ['ff'.repeat(32)],
    vmpls: [0, 3],
    products: ['Milan', 'Turin'],
    chipIds: ['04'.repeat(64)],
    deniedChipIds: ['05'.repeat(64)],
    providerIds: ['microsoft_azure'],
    guestPolicies: ['0x3001f'],
    minimumAbi: { major: 1, minor: 55 },
    minimumGuestSvn: 1,
    tcb: { reported: { minimum: { snp: 24 }, maximum: { microcode: 255 } }, launch: {}, committed: {}, current: {} },
    minimumFirmware: { major: 1, minor: 55, build: 40 },
    minimumCommittedFirmware: { major: 1, minor: 55, build: 40 },
    mitigations: { launch: '0x1', current: '0x3' },
    allow: { debug: true, migrationAgent: false, cxl: true, vlek: true, provisionalFirmware: true },
    require: { smtOff: true, ecc: true, singleSocket: true, pageSwapForbidden: true },
  },
  tdx: {
    tcbStatuses: [...tcbStatuses],
    acceptedAdvisoryIds: ['INTEL-SA-00615'],
    rejectedAdvisoryIds: ['INTEL-DOC-00001'],
    minimumTcbEvaluationDataNumber: 17,
    minimumTcbDate: '2025-02-28',
    debugAllowed: false,
    xfamAllowed: '0x61ae7',
    mrTds: [digest],
    mrSeams: [digest],
    mrConfigId: digest,
    rtmrs: { 0: digest, 3: digest },
    reportData: '00'.repeat(64),
    minimumTeeTcbSvn: '05'.repeat(16),
    fmspcs: ['90c06f000000'],
    deniedPpids: ['06'.repeat(16)],
    require: { smtOff: true },
    mrServiceTds: [digest],
  },
  hcl: { userData: '07'.repeat(64), configuration: { 'secure-boot': true, 'current-time': 1 } },
  boot: { secureBoot: true, applications: ['08'.repeat(32)], unifiedKernel: { '.cmdline': '09'.repeat(32) } },
  tpm: { nonce: 'ff', pcrs: { 7: '00'.repeat(32), 23: '00'.repeat(48) }, roots: [root] },
  token: { issuer: 'https://a.example', audience: 'me', algorithms: [...tokenAlgorithms], claims: { a: 'b', c: 1 } },
  release: { roots: [root], signer: 'vault.example', usage: '1.2.3' },
}

describe('a policy file', () => {
  it('may say every rule, and turns hexadecimal into bytes and numbers', () => {
    const policy = readPolicy(good)
    expect(policy.snp?.measurements).toEqual([new Uint8Array(48).fill(0xaa)])
    expect(policy.snp?.guestPolicies).toEqual([0x3001fn])
    expect(policy.tdx?.xfamAllowed).toBe(0x61ae7n)
    expect(policy.tdx?.minimumTcbDate).toEqual(new Date('2025-02-28T00:00:00Z'))
    expect(policy.tpm?.pcrs?.get(23)).toEqual(new Uint8Array(48))
    expect(policy.boot?.unifiedKernel?.['.cmdline']).toEqual(new Uint8Array(32).fill(9))
    expect(policy.release?.roots[0]?.spkiSha256).toBe('ab'.repeat(32))
  })

  it('that says nothing of the content leaves it open, and `allow` stands for itself', () => {
    expect(readPolicy({ snp: {} }).snp).toMatchObject({ measurements: 'any', reportData: 'any' })
    expect(readPolicy({ snp: { allow: { debug: true } } }).snp?.allow).toEqual({ debug: true })
  })

  it('with any single value of another type is refused whole, with its path, what was expected and what was found', () => {
    const paths: (string | number)[][] = []
    const walk = (value: unknown, path: (string | number)[]): void => {
      if (path.length > 0) paths.push(path)
      // Claims and configurations may have any name and any scalar.
      if (path.at(-1) === 'claims' || path.at(-1) === 'configuration') return
      if (Array.isArray(value)) for (const [index, each] of value.entries()) walk(each, [...path, index])
      else if (typeof value === 'object' && value !== null)
        for (const [name, each] of Object.entries(value)) walk(each, [...path, name])
    }
    walk(good, [])
    expect(paths.length).toBeGreaterThan(120)
    for (const path of paths) {
      for (const wrong of [null, -1, 1.5, 'no such value', '', [[]], {}]) {
        const changed = structuredClone(good) as unknown as Record<string | number, unknown>
        let at = changed
        for (const step of path.slice(0, -1)) at = at[step] as Record<string | number, unknown>
        at[path.at(-1)!] = wrong
        // An empty object is an empty group of rules, and some texts are free.
        const group = typeof wrong === 'object' && wrong !== null && !Array.isArray(wrong)
        const free =
          typeof wrong === 'string' && wrong !== '' && ['name', 'signer', 'audience'].includes(String(path.at(-1)))
        if (group || free) continue
        const found = refusal(() => readPolicy(changed))
        expect([path.join('.'), wrong, found?.code]).toEqual([path.join('.'), wrong, 'InvalidPolicy'])
        expect(found?.message).toMatch(/^policy\.\S+ is malformed\.$/)
        expect(found?.expected).toBeTruthy()
        expect(found?.found).toBeTruthy()
      }
    }
  })

  it.each([
    [{ sno: {} }, 'policy.sno'],
    [{ snp: { measurement: [] } }, 'policy.snp.measurement'],
    [{ snp: { measurements: ['aa'] } }, 'policy.snp.measurements[0]'],
    [{ snp: { vmpls: [4] } }, 'policy.snp.vmpls[0]'],
    [{ snp: { products: ['Rome'] } }, 'policy.snp.products[0]'],
    [{ snp: { allow: { debugging: true } } }, 'policy.snp.allow.debugging'],
    [{ snp: { minimumTcb: { snp: 1 } } }, 'policy.snp.minimumTcb'],
    [{ snp: { tcb: { reported: { minimum: { snp: 256 } } } } }, 'policy.snp.tcb.reported.minimum.snp'],
    [{ snp: { minimumFirmware: { major: 1 } } }, 'policy.snp.minimumFirmware.minor'],
    [{ tdx: { tcbStatuses: ['uptodate'] } }, 'policy.tdx.tcbStatuses[0]'],
    [{ tdx: { acceptedAdvisoryIds: ['SA-1'] } }, 'policy.tdx.acceptedAdvisoryIds[0]'],
    [{ tdx: { minimumTcbDate: '2025-02-30' } }, 'policy.tdx.minimumTcbDate'],
    [{ tdx: { rtmrs: { 4: digest } } }, 'policy.tdx.rtmrs.4'],
    [{ tpm: { pcrs: { 24: '00'.repeat(32) } } }, 'policy.tpm.pcrs.24'],
    [{ tpm: { nonce: '00'.repeat(65) } }, 'policy.tpm.nonce'],
    [{ boot: { unifiedKernel: { cmdline: '00'.repeat(32) } } }, 'policy.boot.unifiedKernel.cmdline'],
    [{ token: { algorithms: ['none'] } }, 'policy.token.algorithms[0]'],
    [{ token: { issuer: 'http://a' } }, 'policy.token.issuer'],
    [{ token: { claims: { a: {} } } }, 'policy.token.claims.a'],
    [{ release: { roots: [root] } }, 'policy.release.signer'],
    [{ release: { roots: [{ name: 'x', spkiSha256: 'aa' }], signer: 'x' } }, 'policy.release.roots[0].spkiSha256'],
  ])('%j is refused at its place', (value, path) => {
    expect(refusal(() => readPolicy(value))).toMatchObject({
      code: 'InvalidPolicy',
      message: `${path} is malformed.`,
    })
  })

  it('of any shape ends in a policy or a refusal, never in another error', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const found = refusal(() => readPolicy(value))
        if (found !== undefined) expect(found.code).toBe('InvalidPolicy')
      }),
    )
  })

  it('of trust anchors needs every part', () => {
    expect(readAnchors({ simulated: true, amd: [root], intel: [] }).amd[0]?.spkiSha256).toBe('ab'.repeat(32))
    expect(refusal(() => readAnchors({ amd: [root], intel: [] }))?.message).toContain('anchors.simulated')
    expect(refusal(() => readAnchors({ simulated: true, amd: [{ name: 'ARK' }], intel: [] }))?.code).toBe(
      'InvalidPolicy',
    )
  })
})
