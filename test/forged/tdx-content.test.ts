import { tcbStatuses, toBase64Url, type TcbStatus, type TdxCollateral } from '@strongroom/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { unsignedPolicyJws } from '../../services/attestation/src/policy/stored-policy.ts'
import {
  boundTo,
  claimsOf,
  collateralBody,
  openService,
  ownerObjectId,
  runtimeBytes,
  type Answer,
  type TestService,
} from '../../services/attestation/src/testing/harness.ts'
import { refusal, verifyFiles, type Verdict } from './support/doors.ts'
import { at, IntelAuthority } from './support/intel-authority.ts'
import { registersOf, tdLog, type TdRecord } from './support/td-log.ts'

const query = '?api-version=2022-08-01'
interface Level {
  tcbStatus: string
  advisoryIDs?: string[]
}

// Genuine quotes of unwanted platforms and TDs.
describe('a genuine quote', () => {
  let intel: IntelAuthority
  let test: TestService
  const reportData = boundTo(runtimeBytes)

  beforeAll(async () => {
    intel = await IntelAuthority.open()
    test = await openService({ anchors: intel.anchors })
  })
  afterAll(() => test?.close())

  const byFiles = async (
    quote: Uint8Array,
    o: { changed?: Partial<TdxCollateral>; policy?: object; log?: Uint8Array } = {},
  ): Promise<Verdict> => {
    const collateral = { ...intel.collateral, ...o.changed }
    const files = {
      'quote.bin': quote,
      'tcbinfo.json': collateral.tcbInfo,
      'qeidentity.json': collateral.qeIdentity,
      'signing-chain.pem': collateral.tcbInfoIssuerChainPem,
      'pck.crl': collateral.pckCrl,
      'root.crl': collateral.rootCaCrl,
      ...(o.log === undefined ? {} : { 'ccel.bin': o.log }),
    }
    return await verifyFiles(files, {
      anchors: intel.anchors,
      ...(o.policy === undefined ? {} : { policy: o.policy }),
    })
  }
  const byWire = async (quote: Uint8Array, changed: Partial<TdxCollateral> = {}): Promise<Answer> =>
    await test.post(`/attest/TdxVm${query}`, {
      quote: toBase64Url(quote),
      runtimeData: { data: toBase64Url(runtimeBytes), dataType: 'JSON' },
      collateral: collateralBody({ ...intel.collateral, ...changed }),
    })
  const withAttributes = (attributes: bigint): Promise<Uint8Array> =>
    intel.quote({ reportData, td: (_, view) => view.setBigUint64(at.attributes, attributes, true) })

  const septVeDisable = 28
  /** Named bits; all others except LASS (27), which only hardens, are reserved. */
  const named: Record<number, string> = {
    0: 'Forbidden policy.attributes.debug',
    29: 'Forbidden policy.attributes.migratable',
    30: 'Forbidden policy.attributes.pks',
    31: 'Forbidden policy.attributes.keyLocker',
    63: 'Forbidden policy.attributes.perfmon',
  }
  const harmless = [27, septVeDisable]

  it.each(Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => !harmless.includes(bit)))(
    'of a TD with attribute bit %i is refused, by its name or as unknown (attack T1)',
    async (bit) => {
      const quote = await withAttributes((1n << BigInt(bit)) | (1n << BigInt(septVeDisable)))
      const reason = named[bit] ?? 'Unknown policy.attributes'
      const verdict = await byFiles(quote)
      expect([verdict.exit, verdict.reasons]).toEqual([1, [reason]])
      const path = reason.slice(reason.indexOf('.') + 1)
      expect(refusal(await byWire(quote))).toMatch(
        new RegExp(`^400 PolicyEvaluationError .*${path.replace('.', '\\.')}: expected`),
      )
    },
  )

  it('of a TD into which its host can inject page faults is refused (attack T1)', async () => {
    const quote = await withAttributes(0n)
    const verdict = await byFiles(quote)
    expect([verdict.exit, verdict.reasons]).toEqual([1, ['Required policy.attributes.septVeDisable']])
    expect(refusal(await byWire(quote))).toMatch(/^400 PolicyEvaluationError .*attributes\.septVeDisable: expected/)
    for (const bit of harmless)
      expect((await byFiles(await withAttributes((1n << 28n) | (1n << BigInt(bit))))).exit).toBe(0)
  })

  it('of a debuggable TD is taken by no policy that has not named that (attack T1)', async () => {
    const quote = await withAttributes((1n << 28n) | 1n)
    const set = async (rules: string): Promise<void> => {
      const payload = unsignedPolicyJws(`version=1.0;authorizationrules{${rules}};`)
      const sent = await test.call('PUT', `/policies/TdxVm${query}`, {
        token: ownerObjectId,
        contentType: 'text/plain',
        payload,
      })
      expect(sent.status).toBe(200)
    }
    try {
      await set('=>permit();')
      expect(refusal(await byWire(quote))).toMatch(/^400 PolicyEvaluationError/)
      expect(refusal(await byWire(await withAttributes(1n << 28n)))).toBe('200')
    } finally {
      await test.call('POST', `/policies/TdxVm:reset${query}`, { token: ownerObjectId, contentType: 'text/plain' })
    }
  })

  const listed = tcbStatuses.filter((status) => status !== 'NoMatchingLevel')
  /** Results of Intel's library for two components' statuses (QVL, TCB status convergence), written out by hand. */
  const configuration = ['ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded']
  const hardening = ['SWHardeningNeeded', 'ConfigurationAndSWHardeningNeeded']
  const old = ['OutOfDate', 'OutOfDateConfigurationNeeded']
  const worse = (...pair: TcbStatus[]): TcbStatus => {
    const any = (of: string[]): boolean => pair.some((status) => of.includes(status))
    if (any(['NoMatchingLevel'])) return 'NoMatchingLevel'
    if (any(['Revoked'])) return 'Revoked'
    if (any(old)) return any(configuration) ? 'OutOfDateConfigurationNeeded' : 'OutOfDate'
    if (any(configuration)) return any(hardening) ? 'ConfigurationAndSWHardeningNeeded' : 'ConfigurationNeeded'
    return any(hardening) ? 'SWHardeningNeeded' : 'UpToDate'
  }
  const advisory = (status: TcbStatus): string => `INTEL-SA-0000${tcbStatuses.indexOf(status)}`
  const level = (status: TcbStatus): Level => ({ tcbStatus: status, advisoryIDs: [advisory(status)] })
  const leveled = async (o: {
    platform?: TcbStatus
    module?: TcbStatus
    enclave?: TcbStatus
  }): Promise<Partial<TdxCollateral>> => {
    const put = (levels: Level[], status: TcbStatus | undefined): void => {
      if (status !== undefined) for (const each of levels) Object.assign(each, level(status))
    }
    return {
      tcbInfo: await intel.signed('tcbInfo', (value) => {
        put(value['tcbLevels'] as Level[], o.platform)
        for (const module of value['tdxModuleIdentities'] as { tcbLevels: Level[] }[]) put(module.tcbLevels, o.module)
      }),
      qeIdentity: await intel.signed('enclaveIdentity', (value) => put(value['tcbLevels'] as Level[], o.enclave)),
    }
  }
  const unvouched = '400 InvalidParameter TcbMismatch: TD quote: Intel vouches for no TCB level of this platform.'
  const pairs = listed.flatMap((first) => listed.map((second) => [first, second] as const))

  it.each(pairs)(
    'of parts that are %s and %s is as the worse of them, whichever part is which (attack T5)',
    async (first, second) => {
      const quote = await intel.quote({ reportData })
      const expected = worse(first, second)
      for (const parts of [
        { platform: first, enclave: second },
        { platform: first, module: second },
        { module: first, enclave: second },
      ]) {
        const changed = await leveled(parts)
        const verdict = await byFiles(quote, { changed })
        if (expected === 'UpToDate') {
          expect(verdict.exit).toBe(0)
          continue
        }
        expect([verdict.exit, verdict.reasons]).toEqual([1, expect.arrayContaining(['NotAllowed policy.tcbStatus'])])
        const wire = refusal(await byWire(quote, changed))
        if (expected === 'Revoked') expect(wire).toBe(unvouched)
        else expect(wire).toContain(`tcbStatus: expected UpToDate, found ${expected}.`)
        // Each advisory of either component counts against it.
        const accepted = [...new Set([first, second])].map(advisory)
        const policy = (ids: string[]): object => ({ tdx: { tcbStatuses: [expected], acceptedAdvisoryIds: ids } })
        expect((await byFiles(quote, { changed, policy: policy(accepted) })).exit).toBe(0)
        const less = await byFiles(quote, { changed, policy: policy(accepted.slice(1)) })
        expect([less.exit, less.reasons]).toEqual([1, ['NotAllowed policy.advisoryIds']])
      }
    },
  )

  it('of a platform below every level has no status that a policy takes by default (attack T5)', async () => {
    const raised = await intel.signed('tcbInfo', (value) => {
      for (const each of value['tcbLevels'] as { tcb: { pcesvn: number } }[]) each.tcb.pcesvn = 65535
    })
    const quote = await intel.quote({ reportData })
    const verdict = await byFiles(quote, { changed: { tcbInfo: raised } })
    expect([verdict.exit, verdict.reasons]).toEqual([1, ['NotAllowed policy.tcbStatus']])
    expect(refusal(await byWire(quote, { tcbInfo: raised }))).toContain(unvouched)
    expect(claimsOf(await byWire(quote))['attester_tcb_status']).toBe('UpToDate')
  })

  const boot: TdRecord[] = [
    { register: 1, data: 'firmware' },
    { register: 2, data: 'kernel' },
    { register: 2, data: 'command line' },
    { register: 3, data: 'initrd' },
  ]
  const quoted = async (records: readonly TdRecord[]): Promise<Uint8Array> => {
    const registers = await registersOf(records)
    const put = (bytes: Uint8Array): void =>
      registers.forEach((value, index) => bytes.set(value, at.rtmr0 + 48 * index))
    return await intel.quote({ reportData, td: put })
  }

  it.each<[string, (records: TdRecord[]) => TdRecord[]]>([
    ['an event dropped', (records) => records.filter((_, index) => index !== 1)],
    ['the last event dropped', (records) => records.slice(0, -1)],
    ['two events swapped', ([first, second, third, ...rest]) => [first!, third!, second!, ...rest]],
    ['an event twice', (records) => [...records, records[3]!]],
    ['an event more', (records) => [...records, { register: 1, data: 'more' }]],
    [
      'an event in another register',
      (records) => records.map((each, index) => (index === 1 ? { ...each, register: 3 } : each)),
    ],
    [
      'an event of other data',
      (records) => records.map((each, index) => (index === 2 ? { ...each, data: 'init=/bin/sh' } : each)),
    ],
    ['an event in a register that a TD does not have', (records) => [...records, { register: 5, data: 'x' }]],
    [
      'the log of another boot',
      () => [
        { register: 1, data: 'firmware' },
        { register: 2, data: 'another kernel' },
      ],
    ],
  ])('with the log of its boot, and %s, is refused (attack T9)', async (_, edit) => {
    const quote = await quoted(boot)
    expect((await byFiles(quote, { log: await tdLog(boot) })).exit).toBe(0)
    const verdict = await byFiles(quote, { log: await tdLog(edit([...boot])) })
    expect([verdict.exit, verdict.reasons]).toEqual([1, ['EventLogMismatch log.replay']])
  })

  it('with registers of before, or the log of an earlier boot that was whole, is refused (attack T9)', async () => {
    const later = [...boot, { register: 4, data: 'application' }]
    const whole = { log: await tdLog(boot) }
    // Registers extended after this log was stored.
    const verdict = await byFiles(await quoted(later), { log: await tdLog(later.slice(0, 2)) })
    expect([verdict.exit, verdict.reasons]).toEqual([1, ['EventLogMismatch log.replay']])
    // The current log under an earlier quote.
    const before = await byFiles(await quoted(boot.slice(0, 2)), whole)
    expect([before.exit, before.reasons]).toEqual([1, ['EventLogMismatch log.replay']])
    // A correct digest of data that are not shown: the record supports no claim.
    const log = Uint8Array.from(whole.log)
    log[log.length - 1]! ^= 1
    const other = await byFiles(await quoted(boot), { log, policy: { boot: { secureBoot: true } } })
    expect(other.exit).toBe(1)
  })
})
