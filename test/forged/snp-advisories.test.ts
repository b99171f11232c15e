import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TcbVersion } from '@strongroom/evidence'
import { tcbMinimum } from '@strongroom/evidence/advisories'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseTcbMinimum, tcbMinimumFile } from '../../services/attestation/src/evidence/tcb-minimum.ts'
import { unsignedPolicyJws } from '../../services/attestation/src/policy/stored-policy.ts'
import {
  boundTo,
  claimsOf,
  openService,
  ownerObjectId,
  runtimeBytes,
  snpBody,
  type Answer,
  type TestService,
} from '../../services/attestation/src/testing/harness.ts'
import { AmdAuthority, at, pemOf, rawTcb } from './support/amd-authority.ts'
import { refusal, verifyFiles, type Verdict } from './support/doors.ts'

const query = '?api-version=2022-08-01'
const tcbFields = [at.reportedTcb, at.currentTcb, at.committedTcb, at.launchTcb] as const
const floor = tcbMinimum('Milan')

interface Platform {
  tcb?: Partial<TcbVersion>
  /** Fields with these versions; all by default. */
  fields?: readonly number[]
  /** Default: SMT, ECC and a completed aliased-memory check. */
  platformInfo?: bigint
  /** Stepping of the processor. */
  stepping?: number
  /** Report of version 2, which names no processor. */
  unnamed?: boolean
}

describe('a report of a platform with a known flaw', () => {
  let amd: AmdAuthority
  let test: TestService
  let crl: Uint8Array

  beforeAll(async () => {
    amd = await AmdAuthority.open()
    crl = await amd.crl()
    test = await openService({ anchors: amd.anchors })
  }, 240_000)
  afterAll(() => test?.close())

  /** The report, and the chain of the chip's key for these versions. */
  const made = async (o: Platform): Promise<{ report: Uint8Array; pem: string }> => {
    const { tcb = {}, fields = tcbFields, platformInfo = 0x25n, stepping = 1 } = o
    const report = await amd.report((bytes, view) => {
      bytes.set(boundTo(runtimeBytes), at.reportData)
      for (const field of fields) view.setBigUint64(field, rawTcb({ ...floor, ...tcb }), true)
      for (const field of tcbFields.filter((each) => !fields.includes(each)))
        view.setBigUint64(field, rawTcb(floor), true)
      view.setBigUint64(at.platformInfo, platformInfo, true)
      bytes[at.cpu + 2] = stepping
      if (o.unnamed === true) {
        view.setUint32(0, 2, true)
        bytes.fill(0, at.cpu, at.cpu + 3)
      }
    })
    const endorsed = fields.includes(at.reportedTcb) ? { ...floor, ...tcb } : floor
    return { report, pem: pemOf(await amd.chain({ tcb: endorsed })) }
  }
  const attest = async (o: Platform, at_: TestService = test): Promise<Answer> => {
    const { report, pem } = await made(o)
    return at_.post(`/attest/SevSnpVm${query}`, snpBody(report, { pem, crl }))
  }
  const verify = async (o: Platform, policy?: object): Promise<Verdict> => {
    const { report, pem } = await made(o)
    const files = { 'report.bin': report, 'chain.pem': pem, 'root.crl': crl }
    return await verifyFiles(files, { anchors: amd.anchors, ...(policy === undefined ? {} : { policy }) })
  }
  const withPolicy = async <T>(rules: string, run: () => Promise<T>): Promise<T> => {
    const payload = unsignedPolicyJws(`version=1.0;authorizationrules{${rules}};`)
    const owner = { token: ownerObjectId, contentType: 'text/plain' }
    expect((await test.call('PUT', `/policies/SevSnpVm${query}`, { ...owner, payload })).status).toBe(200)
    try {
      return await run()
    } finally {
      await test.call('POST', `/policies/SevSnpVm:reset${query}`, owner)
    }
  }

  it('is of a compliant VM at the least versions, and says so', async () => {
    const claims = claimsOf(await attest({}))
    expect(claims).toMatchObject({
      'x-ms-compliance-status': 'azure-compliant-cvm',
      'x-strongroom-tcb-status': 'UpToDate',
      'x-strongroom-product': 'Milan',
    })
    expect(claims).not.toHaveProperty('attester_advisory_ids')
  })

  it.each([
    ['snp', 'AMD-SB-3030'],
    ['microcode', 'AMD-SB-3019'],
  ] as const)(
    'is denied with %s one below the least, reported or at launch, by the name of %s (attacks S6, W9)',
    async (part, id) => {
      const tcb = { [part]: floor[part] - 1 }
      for (const fields of [tcbFields, [at.launchTcb]]) {
        const denied = refusal(await attest({ tcb, fields }))
        expect(denied).toMatch(/^400 PolicyEvaluationError/)
        expect(denied).toContain(`${id} (`)
        expect(denied).toContain(`${part} ${floor[part]} wanted, ${floor[part] - 1} found`)
        const field = fields.length === 1 ? 'launchTcb' : 'reportedTcb'
        expect(denied).toContain(`${field}.${part}: expected at least ${floor[part]}, found ${floor[part] - 1}.`)
      }
    },
  )

  it('gets a token only where a policy names its status, with the advisories and never as compliant (attacks S13, W9)', async () => {
    const old = { tcb: { snp: 0x16, microcode: 0xd0 } }
    await withPolicy('=>permit();', async () => {
      const denied = await attest(old)
      expect(denied.body.error).toMatchObject({
        code: 'PolicyEvaluationError',
        innererror: {
          expected: 'a policy whose authorization rules name x-strongroom-tcb-status',
          found: expect.stringMatching(/EntrySign, CVE-2024-56161.*BadRAM, CVE-2024-21944.*CacheWarp, CVE-2023-20592/),
        },
      })
    })
    await withPolicy('[type=="x-strongroom-tcb-status", value=="OutOfDate"]=>permit();', async () => {
      const claims = claimsOf(await attest(old))
      expect(claims['x-strongroom-tcb-status']).toBe('OutOfDate')
      expect(claims['attester_advisory_ids']).toEqual([
        'AMD-SB-3005',
        'AMD-SB-3015',
        'AMD-SB-3016',
        'AMD-SB-3019',
        'AMD-SB-3023',
        'AMD-SB-3030',
      ])
      expect(claims['x-ms-compliance-status']).toBeUndefined()
    })
  })

  it('is one of BadRAM’s where aliased memory was not looked for, whatever its versions (attack S13)', async () => {
    const denied = refusal(await attest({ platformInfo: 0x05n }))
    expect(denied).toContain('AMD-SB-3015 (BadRAM, CVE-2024-21944): no completed check of aliased memory')
  })

  it('is measured against its own line’s microcode, and without a name against the strictest (attack S13)', async () => {
    const stacked = { microcode: tcbMinimum('Milan-X').microcode }
    expect((await attest({ tcb: stacked, stepping: 2 })).status).toBe(200)
    expect(refusal(await attest({ tcb: stacked, stepping: 1 }))).toContain('AMD-SB-3019')
    expect(refusal(await attest({ tcb: stacked, unnamed: true }))).toContain('AMD-SB-3019')
    expect((await attest({ unnamed: true })).status).toBe(200)
  })

  it('is told by the command with each advisory, its page and what it lacks (attack S13)', async () => {
    const { exit, text } = await verify({ tcb: { snp: 0x1b, microcode: 0xda } })
    expect(exit).toBe(0)
    const link = 'https://www.amd.com/en/resources/product-security/bulletin/amd-sb-'
    expect(text).toMatch(/^Known flaws whose fix the TCB of \S+report\.bin lacks:$/m)
    expect(text).toContain(
      `! AMD-SB-3030 (BreakFAST, CVE-2025-61971, CVE-2025-61972, CVE-2024-36315): snp 29 wanted, 27 found; ${link}3030.html`,
    )
    expect(text).toContain(
      `! AMD-SB-3019 (EntrySign, CVE-2024-56161): microcode 219 wanted, 218 found; ${link}3019.html`,
    )
    expect(text).toMatch(/^Known flaws that no version in \S+report\.bin shows/m)
    expect(text).toContain(`· AMD-SB-3045 (MilanLaunchy and BadFuse, arXiv:2605.12990); ${link}3045.html`)
    expect((await verify({})).text).not.toContain('lacks:')
  })

  it('of a product whose seed can be read out is kept out by a list, at both doors (attack S13)', async () => {
    const products = { snp: { products: ['Genoa', 'Turin'] } }
    expect(await verify({}, products)).toMatchObject({ exit: 1, reasons: ['NotAllowed policy.product'] })
    await withPolicy('[type=="x-strongroom-product", value=="Milan"]=>deny(); =>permit();', async () => {
      expect(refusal(await attest({}))).toMatch(/^400 PolicyEvaluationError/)
    })
  })

  it('is held to what the operator asks for beyond, who cannot ask for less (attacks S6, W9)', async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-tcb-'))
    const raised = { Milan: { bootLoader: floor.bootLoader + 4, snp: floor.snp + 1 } }
    try {
      await writeFile(join(stateDir, tcbMinimumFile), JSON.stringify(raised))
      const strict = await openService({ anchors: amd.anchors, stateDir })
      try {
        const denied = refusal(await attest({ tcb: { bootLoader: 4 } }, strict))
        expect(denied).toContain(`reportedTcb.snp: expected at least ${floor.snp + 1}, found ${floor.snp}.`)
        expect((await attest({ tcb: raised.Milan }, strict)).status).toBe(200)
        const { body } = await strict.call('GET', `/tcbbaselines/SevSnpVm${query}`)
        expect(body.tcbBaselines[1]).toMatchObject({
          tcbIdentifier: 'Milan',
          minimum: { ...raised.Milan, microcode: floor.microcode },
        })
      } finally {
        await strict.close()
      }
    } finally {
      await rm(stateDir, { recursive: true })
    }
  })

  it.each([
    ['{', 'JSON'],
    ['[]', 'an object keyed by processor line'],
    ['{"Rome":{}}', 'Milan, Milan-X'],
    ['{"Milan":5}', 'an object keyed by part'],
    ['{"Milan":{"bios":1}}', 'fmc, bootLoader'],
    ['{"Milan":{"snp":1}}', 'a whole number from 29'],
    ['{"Milan":{"snp":256}}', 'to 255'],
    ['{"Milan":{"snp":29.5}}', 'a whole number'],
  ])('is held to no file that is none: %s', (text, expected) => {
    const fault = { code: 'TcbMinimumInvalid', expected: expect.stringContaining(expected) }
    expect(() => parseTcbMinimum(text, 'STATE/tcb-minimum.json')).toThrow(expect.objectContaining(fault))
  })
})
