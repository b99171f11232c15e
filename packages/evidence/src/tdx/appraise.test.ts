import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { appraiseTdx, type TdxPolicy } from './appraise.ts'
import { tcbStatuses } from './tcb-status.ts'
import { tdBody } from '../testing/td-body.ts'
import { tdAttributes, type TdBody } from './td-body.ts'
import type { VerifiedTdx } from './verify.ts'

const date = '2026-01-01T00:00:00Z'

describe('a policy', () => {
  const appraise = (
    policy: TdxPolicy,
    changes: Partial<TdBody> = {},
    verified: Partial<VerifiedTdx> = {},
  ): ReturnType<typeof appraiseTdx> =>
    appraiseTdx(
      {
        body: tdBody(changes),
        tcbStatus: 'UpToDate',
        advisoryIds: [],
        tcbEvaluationDataNumber: 10,
        platform: { status: 'UpToDate', tcbDate: new Date(date), advisoryIds: [] },
        pck: { fmspc: fromHex('0a0b0c0d0e0f'), ppid: new Uint8Array(16).fill(7), smtEnabled: true, cachedKeys: false },
        ...verified,
      } as VerifiedTdx,
      policy,
    )
  const paths = (policy: TdxPolicy, changes?: Partial<TdBody>, verified?: Partial<VerifiedTdx>): string[] =>
    appraise(policy, changes, verified).map((failure) => `${failure.path} ${failure.code}`)

  it('that says nothing takes an up-to-date TD that no one can look into, and no other', () => {
    expect(paths({})).toEqual([])
    const septVe = tdAttributes.septVeDisable
    expect(paths({}, { attributes: septVe | tdAttributes.debug })).toEqual(['attributes.debug Forbidden'])
    expect(paths({}, { attributes: septVe | tdAttributes.migratable })).toEqual(['attributes.migratable Forbidden'])
    expect(paths({}, { attributes: septVe | tdAttributes.pks | tdAttributes.keyLocker })).toEqual([
      'attributes.pks Forbidden',
      'attributes.keyLocker Forbidden',
    ])
    expect(paths({}, { attributes: septVe | tdAttributes.perfmon })).toEqual(['attributes.perfmon Forbidden'])
    expect(paths({}, { attributes: 0n })).toEqual(['attributes.septVeDisable Required'])
    expect(paths({}, { attributes: septVe | 0b10n })).toEqual(['attributes Unknown'])
    expect(paths({}, { xfam: 1n })).toEqual(['xfam Required'])
    expect(paths({}, { mrServiceTd: new Uint8Array(48).fill(1) })).toEqual(['mrServiceTd Forbidden'])
    for (const tcbStatus of tcbStatuses.slice(1)) expect(paths({}, {}, { tcbStatus })).toEqual(['tcbStatus NotAllowed'])
  })

  it('that allows an old status still wants each advisory accepted by name', () => {
    const verified = { tcbStatus: 'OutOfDate', advisoryIds: ['SA-1', 'SA-2'] } as const
    expect(paths({ tcbStatuses: ['UpToDate', 'OutOfDate'], acceptedAdvisoryIds: ['SA-1'] }, {}, verified)).toEqual([
      'advisoryIds NotAllowed',
    ])
    expect(
      paths({ tcbStatuses: ['UpToDate', 'OutOfDate'], acceptedAdvisoryIds: ['SA-1', 'SA-2'] }, {}, verified),
    ).toEqual([])
  })

  it('names every measurement that differs at once', () => {
    const other = 'ff'.repeat(48)
    const policy: TdxPolicy = {
      mrTds: [other],
      mrSeams: [other, 'ee'.repeat(48)],
      mrConfigId: other,
      mrOwner: other,
      mrOwnerConfig: other,
      rtmrs: { 0: other, 3: other, 4: other },
      reportData: fromHex('01'.repeat(64)),
      minimumTeeTcbSvn: Uint8Array.from([1]),
      minimumTcbEvaluationDataNumber: 11,
      xfamAllowed: 3n,
    }
    expect(paths(policy)).toEqual([
      'tcbEvaluationDataNumber BelowMinimum',
      'teeTcbSvn.0 BelowMinimum',
      'xfam NotAllowed',
      'mrTd NotEqual',
      'mrSeam NotAllowed',
      'mrConfigId NotEqual',
      'mrOwner NotEqual',
      'mrOwnerConfig NotEqual',
      'rtmrs.0 NotEqual',
      'rtmrs.3 NotEqual',
      'rtmrs.4 Missing',
      'reportData NotEqual',
    ])
    expect(paths({ mrTds: [] })).toEqual(['mrTd NotAllowed'])
  })

  it('knows platforms by their kind, their id and what their certificate says', () => {
    expect(paths({ fmspcs: ['0A0B0C0D0E0F'] })).toEqual([])
    expect(paths({ fmspcs: ['00a06d080000'] })).toEqual(['fmspc NotEqual'])
    expect(paths({ deniedPpids: ['07'.repeat(16)] })).toEqual(['ppid Forbidden'])
    expect(paths({ deniedPpids: ['08'.repeat(16)] })).toEqual([])
    expect(paths({ platformInstanceIds: ['00'.repeat(16)] })).toEqual(['platformInstanceId Missing'])
    const instance = { pck: { platformInstanceId: new Uint8Array(16).fill(1) } } as Partial<VerifiedTdx>
    expect(paths({ platformInstanceIds: ['01'.repeat(16)] }, {}, instance)).toEqual([])
    expect(paths({ platformInstanceIds: ['02'.repeat(16)] }, {}, instance)).toEqual(['platformInstanceId NotEqual'])
    expect(paths({ require: { smtOff: true, staticPlatform: true, noCachedKeys: true } })).toEqual([
      'pck.smtOff Required',
      'pck.staticPlatform Missing',
    ])
  })

  it('bounds the day of the platform’s level and the module that would be loaded now', () => {
    expect(paths({ minimumTcbDate: new Date(date) })).toEqual([])
    expect(paths({ minimumTcbDate: new Date('2026-01-02T00:00:00Z') })).toEqual(['tcbDate BelowMinimum'])
    expect(paths({ minimumTeeTcbSvn2: Uint8Array.of(3) })).toEqual(['teeTcbSvn2 Missing'])
    const changed = { teeTcbSvn2: Uint8Array.of(2) }
    expect(paths({ minimumTeeTcbSvn2: Uint8Array.of(3) }, changed)).toEqual(['teeTcbSvn2.0 BelowMinimum'])
    expect(paths({ minimumTeeTcbSvn2: Uint8Array.of(2) }, changed)).toEqual([])
  })

  it('takes a named service TD only where service TDs may be, and rejects advisories whatever the status', () => {
    const bound = { mrServiceTd: new Uint8Array(48).fill(1) }
    const mrServiceTds = ['01'.repeat(48)]
    expect(paths({ mrServiceTds }, bound)).toEqual(['mrServiceTd Forbidden'])
    expect(paths({ mrServiceTds, noServiceTd: false }, bound)).toEqual([])
    expect(paths({ mrServiceTds: ['02'.repeat(48)], noServiceTd: false }, bound)).toEqual(['mrServiceTd NotEqual'])
    expect(paths({ rejectedAdvisoryIds: ['SA-1'] }, {}, { advisoryIds: ['SA-1', 'SA-2'] })).toEqual([
      'advisoryIds Forbidden',
    ])
  })
  it('says what it wanted and what it found', () => {
    const failures = (policy: TdxPolicy, verified: Partial<VerifiedTdx> = {}): string[][] =>
      appraise(policy, {}, verified).map(({ expected, actual }) => [expected, actual])
    expect(failures({ tcbStatuses: ['UpToDate', 'OutOfDate'] }, { tcbStatus: 'Revoked' })).toEqual([
      ['UpToDate, OutOfDate', 'Revoked'],
    ])
    const old = { tcbStatus: 'OutOfDate', advisoryIds: ['SA-1', 'SA-2'] } as const
    const statuses = { tcbStatuses: ['OutOfDate'] } as const
    expect(failures({ ...statuses }, old)).toEqual([['none', 'SA-1, SA-2']])
    expect(failures({ ...statuses, acceptedAdvisoryIds: ['SA-1', 'SA-3'] }, old)).toEqual([['SA-1, SA-3', 'SA-2']])
    expect(failures({ minimumTcbEvaluationDataNumber: 11 })).toEqual([['at least 11', '10']])
    expect(failures({ minimumTcbDate: new Date('2026-01-02T00:00:00Z') })).toEqual([
      ['2026-01-02T00:00:00.000Z', '2026-01-01T00:00:00.000Z'],
    ])
    expect(
      failures({ minimumTcbDate: new Date(date) }, { platform: { status: 'NoMatchingLevel', advisoryIds: [] } }),
    ).toEqual([['2026-01-01T00:00:00.000Z', 'none']])
    expect(failures({ fmspcs: ['00', '01'] })).toEqual([['00, 01', '0a0b0c0d0e0f']])
    expect(failures({ fmspcs: [] })).toEqual([['none', '0a0b0c0d0e0f']])
    expect(failures({ deniedPpids: ['00'.repeat(16), '07'.repeat(16)] })[0]![1]).toBe('07'.repeat(16))
    expect(failures({ platformInstanceIds: ['01', '02'] })).toEqual([['01, 02', 'none']])
    expect(failures({ require: { smtOff: true, staticPlatform: true } })).toEqual([
      ['true', 'false'],
      ['true', 'not said'],
    ])
    expect(failures({ xfamAllowed: 0x83n })).toEqual([['within 0x83', '0xe7']])
    const rejected = { rejectedAdvisoryIds: ['SA-1', 'SA-2'] }
    expect(failures(rejected, { advisoryIds: ['SA-1', 'SA-2'] })[0]![1]).toBe('SA-1, SA-2')
    expect(appraise({}, { attributes: tdAttributes.debug, xfam: 1n })).toEqual([
      { path: 'attributes.debug', code: 'Forbidden', expected: 'false', actual: 'true' },
      { path: 'attributes.septVeDisable', code: 'Required', expected: 'true', actual: 'false' },
      { path: 'xfam', code: 'Required', expected: '0x3', actual: '0x1' },
    ])
  })

  it('takes each part of its bounds and nothing below', () => {
    for (const name of ['minimumTeeTcbSvn', 'minimumTeeTcbSvn2'] as const) {
      const part = name === 'minimumTeeTcbSvn' ? 'teeTcbSvn' : 'teeTcbSvn2'
      const least = new Uint8Array(16).fill(5)
      expect(paths({ [name]: least }, { [part]: least })).toEqual([])
      for (let index = 0; index < 16; index++) {
        const below = least.slice()
        below[index] = 4
        expect(paths({ [name]: least }, { [part]: below })).toEqual([`${part}.${index} BelowMinimum`])
      }
    }
    expect(paths({ minimumTcbEvaluationDataNumber: 10 })).toEqual([])
  })

  it.each([
    ['debug', 'debugAllowed'],
    ['migratable', 'migratableAllowed'],
    ['pks', 'pksAllowed'],
    ['keyLocker', 'keyLockerAllowed'],
    ['perfmon', 'perfmonAllowed'],
  ] as const)('takes %s where it is allowed by name', (bit, name) => {
    const attributes = tdAttributes.septVeDisable | tdAttributes[bit]
    expect(paths({ [name]: true }, { attributes })).toEqual([])
    expect(paths({ [name]: false }, { attributes })).toEqual([`attributes.${bit} Forbidden`])
  })

  it.each([1, 7, 8, 26, 32, 62])('knows no bit %i, whatever is allowed', (bit) => {
    const attributes = tdAttributes.septVeDisable | (1n << BigInt(bit))
    expect(appraise({ debugAllowed: true }, { attributes })).toEqual([
      {
        path: 'attributes',
        code: 'Unknown',
        expected: expect.any(String),
        actual: `0x${(1n << BigInt(bit)).toString(16)}`,
      },
    ])
  })

  it('asks for no page faults from the host unless told not to, and for x87 and SSE', () => {
    expect(paths({}, { attributes: tdAttributes.septVeDisable | tdAttributes.lass })).toEqual([])
    expect(paths({ septVeDisableRequired: false }, { attributes: 0n })).toEqual([])
    expect(paths({ septVeDisableRequired: true }, { attributes: 0n })).toEqual(['attributes.septVeDisable Required'])
    for (const xfam of [0n, 1n, 2n]) expect(paths({}, { xfam })).toEqual(['xfam Required'])
    expect(paths({ xfamAllowed: 0xe7n })).toEqual([])
  })

  it('compares every measurement with its own', () => {
    const of = (value: number): Uint8Array => new Uint8Array(48).fill(value)
    const hex = (value: number): string => value.toString(16).padStart(2, '0').toUpperCase().repeat(48)
    const td: Partial<TdBody> = {
      mrTd: of(161),
      mrSeam: of(162),
      mrConfigId: of(163),
      mrOwner: of(164),
      mrOwnerConfig: of(165),
      rtmrs: [of(176), of(177), of(178), of(179)],
    }
    const policy: TdxPolicy = {
      mrTds: ['00', hex(161)],
      mrSeams: [hex(162)],
      mrConfigId: hex(163),
      mrOwner: hex(164),
      mrOwnerConfig: hex(165),
      rtmrs: {
        0: hex(176),
        1: hex(177),
        2: hex(178),
        3: hex(179),
      },
      reportData: new Uint8Array(64),
    }
    expect(paths(policy, td)).toEqual([])
    expect(paths({ rtmrs: { 2: hex(0xb1) } }, td)).toEqual(['rtmrs.2 NotEqual'])
  })

  it('takes what the certificate says against each demand, and demands nothing unasked', () => {
    const said = { smtEnabled: true, dynamicPlatform: true, cachedKeys: true }
    const pck = { ppid: new Uint8Array(16), fmspc: new Uint8Array(6) }
    const verified = (flags: object): Partial<VerifiedTdx> => ({ pck: { ...pck, ...flags } as VerifiedTdx['pck'] })
    for (const [name, flag] of [
      ['smtOff', 'smtEnabled'],
      ['staticPlatform', 'dynamicPlatform'],
      ['noCachedKeys', 'cachedKeys'],
    ] as const) {
      expect(paths({ require: { [name]: true } }, {}, verified(said))).toEqual([`pck.${name} Required`])
      expect(paths({ require: { [name]: true } }, {}, verified({}))).toEqual([`pck.${name} Missing`])
      expect(paths({ require: { [name]: true } }, {}, verified({ ...said, [flag]: false }))).toEqual([])
      expect(paths({ require: { [name]: false } }, {}, verified(said))).toEqual([])
    }
  })

  it('asks no advisories of a platform that is up to date, but for the rejected', () => {
    const advisoryIds = ['SA-1']
    expect(paths({}, {}, { advisoryIds })).toEqual([])
    expect(paths({ rejectedAdvisoryIds: ['SA-2'] }, {}, { advisoryIds })).toEqual([])
  })

  it('forbids service TDs where nothing is said of them, or where none may be', () => {
    const bound = { mrServiceTd: new Uint8Array(48).fill(1) }
    expect(paths({ noServiceTd: true }, bound)).toEqual(['mrServiceTd Forbidden'])
    // A digest may have zeros in it.
    for (const index of [0, 47]) {
      const mrServiceTd = new Uint8Array(48)
      mrServiceTd[index] = 1
      expect(appraise({}, { mrServiceTd })).toEqual([
        { path: 'mrServiceTd', code: 'Forbidden', expected: 'zero', actual: toHex(mrServiceTd) },
      ])
    }
    expect(paths({ noServiceTd: true }, { mrServiceTd: new Uint8Array(48) })).toEqual([])
    expect(paths({ noServiceTd: false }, bound)).toEqual([])
    expect(paths({ mrServiceTds: ['00'.repeat(48)] })).toEqual([])
    expect(paths({ mrServiceTds: ['01'.repeat(48)] })).toEqual(['mrServiceTd NotEqual'])
  })
})
