import { defaultCvmReleasePolicy, platformKeyReleasePolicy, type ReleasePolicy } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { explainRelease } from './explain.ts'
import { lintReleasePolicy } from './lint.ts'
import { readReleasePolicy } from './policy.ts'

const authority = 'https://sharedweu.weu.attest.strongroom.internal'
const compliant = { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }
const nested = { claim: 'x-ms-isolation-tee.x-ms-compliance-status', equals: 'azure-compliant-cvm' }
const mine = { claim: 'x-ms-azurevm-vmid', equals: 'A' }
const policy = (...allOf: object[]): ReleasePolicy =>
  readReleasePolicy(JSON.stringify({ version: '1.0.0', anyOf: [{ authority, allOf }] }))
const codes = (value: ReleasePolicy): string[] => lintReleasePolicy(value).map(({ code, place }) => `${code} ${place}`)

describe('linting a release policy', () => {
  it('warns that the default policy opens to the confidential VMs of everybody', () => {
    expect(codes(defaultCvmReleasePolicy(authority))).toEqual(['AnyConfidentialVm $.anyOf[0]', 'FlatClaims $.anyOf[0]'])
  })

  it('has nothing against a policy that binds your own guest', () => {
    expect(codes(policy(nested, mine))).toEqual([])
    const platform = platformKeyReleasePolicy({ authority, attestationType: 'tdxvm', vmId: 'A' })
    expect(codes(platform)).toEqual(['FlatClaims $.anyOf[0]'])
  })

  it('takes measurements, keys of the platform and host data of zeros for what everybody has', () => {
    const measured = { claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-idkeydigest', equals: '57486a44' }
    expect(codes(policy(nested, measured))).toEqual(['AnyConfidentialVm $.anyOf[0]'])
    const hostData = (equals: string): object => ({ claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-hostdata', equals })
    expect(codes(policy(nested, hostData('0'.repeat(64))))).toEqual(['AnyConfidentialVm $.anyOf[0]'])
    expect(codes(policy(nested, hostData('ab'.repeat(32))))).toEqual([])
  })

  it('takes an alternative for open when one of its ways is', () => {
    const one = policy(nested, { anyOf: [mine, nested] })
    expect(codes(one)).toEqual(['AnyConfidentialVm $.anyOf[0]'])
    const launched = { claim: 'x-ms-isolation-tee.x-ms-inittime.team', equals: 'a' }
    expect(codes(policy(nested, { anyOf: [mine, launched] }))).toEqual([])
  })

  it('takes nothing that any program can send along for somebody’s own', () => {
    for (const claim of ['x-ms-runtime.client-payload.team', 'x-ms-isolation-tee.x-ms-runtime.user-data']) {
      const sent = { claim, equals: 'a' }
      expect(codes(policy(nested, sent))).toEqual([
        'AnyConfidentialVm $.anyOf[0]',
        'ChosenInGuest $.anyOf[0].allOf[1].claim',
      ])
      expect(codes(policy(nested, mine, sent))).toEqual(['ChosenInGuest $.anyOf[0].allOf[2].claim'])
    }
  })

  it('warns of debug that is not excluded, and takes each of its exclusions', () => {
    expect(codes(policy(mine))).toEqual(['DebugNotExcluded $.anyOf[0]'])
    for (const claim of ['x-ms-sevsnpvm-is-debuggable', 'tdx_td_attributes_debug']) {
      const path = `x-ms-isolation-tee.${claim}`
      expect(codes(policy(mine, { claim: path, equals: false }))).toEqual([])
      expect(codes(policy(mine, { claim: path, equals: true }))).toEqual(['DebugNotExcluded $.anyOf[0]'])
    }
  })

  it('warns of what changes with each firmware', () => {
    const each = ['x-ms-sevsnpvm-launchmeasurement', 'x-ms-sevsnpvm-snpfw-svn', 'tdx_mrtd', 'tdx_seamsvn']
    for (const claim of each) {
      const equals = claim.endsWith('svn') ? 4 : 'aa'
      const leaf = { claim: `x-ms-isolation-tee.${claim}`, equals }
      expect(codes(policy(nested, mine, leaf))).toEqual(['ChangesWithFirmware $.anyOf[0].allOf[2]'])
    }
  })

  it('finds numbers of the firmware kept where they are a lower bound, and closed where they are a higher', () => {
    const svn = 'x-ms-isolation-tee.x-ms-sevsnpvm-snpfw-svn'
    expect(codes(policy(nested, mine, { claim: svn, greaterOrEquals: 4 }))).toEqual([])
    for (const operator of ['equals', 'less', 'lessOrEquals'])
      expect(codes(policy(nested, mine, { claim: svn, [operator]: 4 }))).toEqual([
        'ChangesWithFirmware $.anyOf[0].allOf[2]',
      ])
  })

  it('takes for a binding only what is equal, and for an exclusion of debug also what is not true', () => {
    expect(codes(policy(nested, { claim: mine.claim, notEquals: 'A' }))).toEqual(['AnyConfidentialVm $.anyOf[0]'])
    expect(codes(policy(nested, { claim: mine.claim, exists: true }))).toEqual(['AnyConfidentialVm $.anyOf[0]'])
    const debug = 'x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable'
    expect(codes(policy(mine, { claim: debug, notEquals: true }))).toEqual([])
    expect(codes(policy(mine, { claim: debug, notEquals: false }))).toEqual(['DebugNotExcluded $.anyOf[0]'])
  })

  it('warns of comparisons that no token meets, and of absence', () => {
    const debug = 'x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable'
    expect(codes(policy(nested, mine, { claim: debug, notEquals: 'true' }))).toEqual([
      'ClaimType $.anyOf[0].allOf[2].notEquals',
    ])
    expect(codes(policy(nested, mine, { claim: debug, greater: 0 }))).toEqual(['ClaimType $.anyOf[0].allOf[2].greater'])
    expect(codes(policy(nested, mine, { claim: debug, exists: false }))).toEqual([
      'AbsenceAsked $.anyOf[0].allOf[2].exists',
    ])
    // Azure samples quote Booleans, also for claims that a policy issued.
    for (const equals of ['true', 'false'])
      expect(codes(policy(nested, mine, { claim: 'image-is-ours', equals }))).toEqual([
        'ClaimType $.anyOf[0].allOf[2].equals',
      ])
    expect(codes(policy(nested, mine, { claim: 'image-is-ours', equals: 'yes' }))).toEqual([])
  })

  it('says of an entry that no token here satisfies why, and nothing of who would', () => {
    const asText = { claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable', equals: 'false' }
    const unknown = { claim: 'x-ms-sgx-svn', greater: 1 }
    expect(codes(policy(asText))).toEqual(['ClaimType $.anyOf[0].allOf[0].equals'])
    expect(codes(policy(unknown))).toEqual(['UnknownClaim $.anyOf[0].allOf[0].claim'])
    expect(codes(policy({ ...nested, equals: 'compliant' }))).toEqual(['NeverSatisfied $.anyOf[0].allOf[0].equals'])
    // Requiring a claim that no token has is never satisfied; requiring its absence always is.
    expect(codes(policy({ ...unknown, greater: undefined, exists: true }))).toEqual([
      'UnknownClaim $.anyOf[0].allOf[0].claim',
    ])
    expect(codes(policy({ ...unknown, greater: undefined, exists: false }))).toEqual([
      'AnyConfidentialVm $.anyOf[0]',
      'DebugNotExcluded $.anyOf[0]',
      'AbsenceAsked $.anyOf[0].allOf[0].exists',
      'UnknownClaim $.anyOf[0].allOf[0].claim',
    ])
    // Another way to satisfy it remains.
    expect(codes(policy({ anyOf: [unknown, nested] }))).toEqual([
      'AnyConfidentialVm $.anyOf[0]',
      'UnknownClaim $.anyOf[0].allOf[0].anyOf[0].claim',
    ])
  })

  it('lets objects and lists be asked for, and compares nothing with them', () => {
    for (const claim of ['x-ms-isolation-tee', 'x-ms-azurevm-attested-pcrs', 'x-ms-isolation-tee.x-ms-runtime']) {
      expect(codes(policy(nested, mine, { claim, exists: true }))).toEqual([])
      expect(codes(policy(mine, { claim, exists: true }))).toEqual(['DebugNotExcluded $.anyOf[0]'])
      expect(codes(policy(nested, mine, { claim, equals: 1 }))).toEqual(['ClaimType $.anyOf[0].allOf[2].equals'])
    }
  })

  it('suggests the value that was meant, in the claim’s own type', () => {
    const remedy = (claim: string, equals: unknown): string | undefined =>
      lintReleasePolicy(policy(nested, mine, { claim: `x-ms-isolation-tee.${claim}`, equals })).find(
        ({ code }) => code === 'ClaimType',
      )?.remedy
    for (const meant of ['true', 1, '1']) expect(remedy('x-ms-sevsnpvm-is-debuggable', meant)).toBe('Write true.')
    for (const meant of ['false', 0, '0', 'yes'])
      expect(remedy('x-ms-sevsnpvm-is-debuggable', meant)).toBe('Write false.')
    expect(remedy('x-ms-sevsnpvm-vmpl', '3')).toBe('Write 3.')
    expect(remedy('x-ms-sevsnpvm-vmpl', 'three')).toBe('Write 0.')
    expect(remedy('x-ms-sevsnpvm-hostdata', true)).toBe('Write "true".')
  })

  it('takes claims of the launch for binding, at either place, and claims that programs send at neither', () => {
    const open = ['AnyConfidentialVm', 'ChosenInGuest']
    const one = (claim: string): string[] =>
      codes(policy(nested, { claim, equals: 'a' })).map((text) => text.split(' ')[0]!)
    expect(one('x-ms-inittime.team')).not.toContain('AnyConfidentialVm')
    expect(one('x-ms-isolation-tee.x-ms-inittime.team')).toEqual([])
    for (const claim of ['x-ms-runtime.a', 'x-ms-isolation-tee.x-ms-runtime.a', 'x-ms-runtime.vm-configurations'])
      expect([claim, one(claim)]).toEqual([claim, open])
    // Claims that only look like them can be set by anyone, and are chosen by nobody known.
    for (const claim of ['a.x-ms-inittime.team', 'a.x-ms-runtime.a'])
      expect([claim, one(claim)]).toEqual([claim, ['AnyConfidentialVm']])
  })

  it('has nothing to say of an entry’s others where all are asked at once, and of all where one suffices', () => {
    const debug = { claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable', equals: false }
    expect(codes(policy(mine, { anyOf: [debug, nested] }))).toEqual([])
    expect(codes(policy({ anyOf: [mine, debug] }))).toEqual([
      'AnyConfidentialVm $.anyOf[0]',
      'DebugNotExcluded $.anyOf[0]',
    ])
    expect(codes(policy({ allOf: [mine, { allOf: [debug] }] }))).toEqual([])
  })

  it.each<[what: string, conditions: object[], wanted: string[]]>([
    ['the launch at the top', [nested, { claim: 'x-ms-inittime.team', equals: 'a' }], []],
    ['the configuration as a whole', [nested, mine, { claim: 'x-ms-runtime.vm-configuration', exists: true }], []],
    ['a utility VM’s state', [mine, { ...nested, equals: 'azure-compliant-uvm' }], []],
    ['another state than one', [nested, mine, { claim: nested.claim, notEquals: 'x' }], []],
    [
      'any state but the good one',
      [mine, { claim: nested.claim, notEquals: 'azure-compliant-cvm' }],
      ['DebugNotExcluded $.anyOf[0]'],
    ],
    [
      'no migration',
      [mine, { claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-migration-allowed', equals: false }],
      ['DebugNotExcluded $.anyOf[0]'],
    ],
    [
      'a claim at the top and one further in that nobody knows',
      [compliant, mine, { claim: 'x-ms-isolation-tee.own', equals: 'a' }],
      ['FlatAndNested $.anyOf[0]', 'UnknownClaim $.anyOf[0].allOf[2].claim'],
    ],
    [
      'a list that equals a number',
      [{ claim: 'x-ms-isolation-tee.x-ms-runtime.keys', equals: 1 }],
      ['ClaimType $.anyOf[0].allOf[0].equals'],
    ],
    [
      'an unknown claim that is false',
      [{ claim: 'x-ms-sgx', equals: false }],
      ['UnknownClaim $.anyOf[0].allOf[0].claim'],
    ],
  ])('judges %s', (_, conditions, wanted) => {
    expect(codes(policy(...conditions))).toEqual(wanted)
  })

  it('suggests another operator where a claim has no order', () => {
    const greater = { claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable', greater: 0 }
    expect(lintReleasePolicy(policy(nested, mine, greater))[0]!.remedy).not.toContain('Write')
  })

  it('finds no entry twice that says something else', () => {
    const entry = { authority, allOf: [nested, mine] }
    const other = { authority, allOf: [nested, { ...mine, equals: 'B' }] }
    expect(codes(readReleasePolicy(JSON.stringify({ anyOf: [entry, other] })))).toEqual([])
    expect(codes(readReleasePolicy(JSON.stringify({ anyOf: [entry, other, entry] })))).toEqual([
      'SameAuthorityTwice $.anyOf[2]',
    ])
  })

  it('names places as the policy writes them', () => {
    const text = JSON.stringify({ version: '1.0.0', allOf: [{ authority, allOf: [compliant] }] })
    expect(codes(readReleasePolicy(text))).toEqual(['AnyConfidentialVm $.allOf[0]', 'FlatClaims $.allOf[0]'])
  })

  it('warns of claims at both places at once', () => {
    expect(codes(policy(compliant, nested, mine))).toEqual(['FlatAndNested $.anyOf[0]'])
    const bootOnly = { claim: 'x-ms-runtime.vm-configuration.vmUniqueId', equals: 'A' }
    expect(codes(policy(nested, bootOnly))).toEqual(['FlatAndNested $.anyOf[0]'])
  })

  it('warns of values that the claim never has: of another type, another state, two at once', () => {
    const asText = { claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-is-debuggable', equals: 'false' }
    expect(codes(policy(nested, mine, asText))).toEqual(['ClaimType $.anyOf[0].allOf[2].equals'])
    expect(codes(policy(mine, { ...nested, equals: 'compliant' }))).toContain(
      'NeverSatisfied $.anyOf[0].allOf[1].equals',
    )
    // AKS pods have it; no documentation says that it excludes debug.
    expect(codes(policy(mine, { ...nested, equals: 'azure-signed-katacc-uvm' }))).toEqual([
      'DebugNotExcluded $.anyOf[0]',
    ])
    const number = { claim: 'x-ms-isolation-tee.x-ms-sevsnpvm-vmpl', equals: '0' }
    expect(codes(policy(nested, mine, number))).toEqual(['ClaimType $.anyOf[0].allOf[2].equals'])
    expect(codes(policy(nested, mine, { allOf: [{ ...mine, equals: 'B' }] }))).toEqual([
      'NeverSatisfied $.anyOf[0].allOf[2].allOf[0]',
    ])
  })

  it('finds two values of a claim where both are asked for, and not in alternatives, nor one value twice', () => {
    const b = { ...mine, equals: 'B' }
    expect(codes(policy(nested, mine, mine))).toEqual([])
    expect(codes(policy(nested, { anyOf: [mine, b] }))).toEqual([])
    expect(codes(policy(nested, mine, { anyOf: [{ allOf: [mine, b] }, nested] }))).toEqual([
      'NeverSatisfied $.anyOf[0].allOf[2].anyOf[0].allOf[1]',
    ])
    const alternatives = { authority, anyOf: [{ allOf: [nested, mine] }, { allOf: [nested, mine, b] }] }
    expect(codes(readReleasePolicy(JSON.stringify({ anyOf: [alternatives] })))).toEqual([
      'NeverSatisfied $.anyOf[0].anyOf[1].allOf[2]',
    ])
    // Only equality implies a value.
    expect(codes(policy(nested, mine, { claim: mine.claim, notEquals: 'B' }))).toEqual([])
  })

  it('says of firmware’s numbers how a policy stays open, and of its measurements that none does', () => {
    const remedy = (claim: string, equals: unknown): string =>
      lintReleasePolicy(policy(nested, mine, { claim: `x-ms-isolation-tee.${claim}`, equals })).find(
        ({ code }) => code === 'ChangesWithFirmware',
      )!.remedy
    expect(remedy('x-ms-sevsnpvm-snpfw-svn', 4)).toContain('greaterOrEquals')
    expect(remedy('x-ms-sevsnpvm-launchmeasurement', 'aa')).not.toContain('greaterOrEquals')
  })

  it('warns of names that no token has, of foreign and of repeated authorities', () => {
    expect(codes(policy(nested, mine, { claim: 'x-ms-compliance-state', equals: 'x' }))).toEqual([
      'UnknownClaim $.anyOf[0].allOf[2].claim',
    ])
    const entry = { authority: 'https://sharedweu.weu.attest.azure.net', allOf: [nested, mine] }
    const twice = readReleasePolicy(JSON.stringify({ anyOf: [entry, { ...entry, authority: `${entry.authority}/` }] }))
    expect(codes(twice)).toEqual(['AuthorityNotTrusted $.anyOf[0].authority', 'SameAuthorityTwice $.anyOf[1]'])
    // For Azure's shared provider it names the local one; for others it cannot.
    const [foreign] = lintReleasePolicy(twice)
    expect(foreign!.remedy).toContain(
      'Replace the authority https://sharedweu.weu.attest.azure.net by https://sharedweu.weu.attest.strongroom.internal',
    )
    expect(foreign!.remedy).toContain('STRONGROOM_MAP_AZURE_PROVIDERS=1')
    const elsewhere = { ...entry, authority: 'https://sharedxyz.xyz.attest.azure.net' }
    const [several] = lintReleasePolicy(readReleasePolicy(JSON.stringify({ anyOf: [elsewhere, entry] })))
    expect(several!.remedy).toContain('Replace the authority https://sharedweu.weu.attest.azure.net by')
    expect(several!.remedy).not.toContain('\n')
    const other = { ...entry, authority: 'https://alpha.weu.attest.azure.net' }
    const [alone] = lintReleasePolicy(readReleasePolicy(JSON.stringify({ anyOf: [other] })))
    expect(alone!.remedy).not.toContain('STRONGROOM_MAP_AZURE_PROVIDERS')
  })
})

describe('explaining a release', () => {
  const now = 1_800_000_000
  const wrapping = { kid: 'a', kty: 'RSA', key_ops: ['encrypt'], n: '_'.repeat(341) + 'w', e: 'AQAB' }
  const flat = {
    iss: authority,
    iat: now,
    exp: now + 60,
    'x-ms-compliance-status': 'azure-compliant-cvm',
    'x-ms-attestation-type': 'sevsnpvm',
    'x-ms-runtime': { keys: [wrapping] },
  }
  const guest = { iss: `${authority}/`, 'x-ms-isolation-tee': flat, 'x-ms-azurevm-vmid': 'a', secureboot: 'true' }

  it('says for each condition what was there', () => {
    const explanation = explainRelease(policy(compliant, mine), flat, { now })
    expect(explanation.released).toBe(false)
    expect(explanation.authorities[0]).toMatchObject({
      isIssuer: true,
      held: false,
      conditions: {
        kind: 'allOf',
        conditions: [
          { claim: compliant.claim, held: true, actual: 'azure-compliant-cvm' },
          { claim: mine.claim, held: false, actual: undefined, place: '$.anyOf[0].allOf[1]' },
        ],
      },
    })
    expect(explainRelease(policy(compliant), flat, { now }).released).toBe(true)
  })

  it('says what release refuses whatever the policy asks: the kind of token, its times, its header, its key', () => {
    const faults = (change: object, header?: Record<string, unknown>): string[] =>
      explainRelease(policy(compliant), { ...flat, ...change }, { header, now }).faults.map(({ part }) => part)
    expect(faults({}, { alg: 'RS256', kid: 'a', typ: 'JWT' })).toEqual([])
    expect(faults({ 'x-ms-policy-result': 'Updated' })).toEqual(['x-ms-policy-result'])
    expect(faults({ 'x-ms-attestation-type': undefined })).toEqual(['x-ms-attestation-type'])
    expect(faults({ exp: now - 60 })).toEqual(['exp'])
    expect(faults({ exp: now - 59, iat: now + 61 })).toEqual(['iat'])
    expect(faults({ 'x-ms-runtime': { keys: [{ ...wrapping, key_ops: ['sign'] }] } })).toEqual(['x-ms-runtime.keys'])
    expect(faults({}, { alg: 'HS256', kid: 'a' })).toEqual(['alg'])
    expect(explainRelease(policy(compliant), { ...flat, exp: 0 }, { now }).released).toBe(false)
  })

  it('counts only the issuer’s entries', () => {
    const other = { ...flat, iss: 'https://sharedeus.eus.attest.strongroom.internal' }
    const explanation = explainRelease(policy(compliant), other, { now })
    expect([explanation.released, explanation.authorities[0]!.held]).toEqual([false, true])
    for (const iss of [undefined, 7]) {
      const unnamed = explainRelease(policy(compliant), { ...flat, iss }, { now })
      expect([unnamed.released, unnamed.issuer, unnamed.authorities[0]!.isIssuer]).toEqual([false, undefined, false])
    }
  })

  it('finds the claim that was meant', () => {
    const hints = (claims: Record<string, unknown>, ...conditions: object[]): unknown[] => {
      const { conditions: group } = explainRelease(policy(...conditions), claims, { now }).authorities[0]!
      return 'conditions' in group ? group.conditions.map((each) => ('hint' in each ? each.hint : undefined)) : []
    }
    expect(hints(guest, compliant, mine, { claim: 'secureboot', equals: true })).toEqual([
      'The token has it as x-ms-isolation-tee.x-ms-compliance-status: it was fetched by a guest.',
      'The two differ only in case.',
      'The claim is a string, the policy has a boolean.',
    ])
    expect(
      hints(
        { n: '4', b: true, z: null },
        { claim: 'n', greater: 3 },
        { claim: 'b', notEquals: 'false' },
        { claim: 'z', equals: 'null' },
        { claim: 'n', exists: false },
      ),
    ).toEqual([
      'The claim is a string: only numbers have an order.',
      'The claim is a boolean, the policy has a string: they are neither equal nor unequal.',
      'The claim is null, which is never equal to anything.',
      undefined,
    ])
    // A number that is too small needs no hint.
    expect(hints({ n: 1 }, { claim: 'n', greater: 3 })).toEqual([undefined])
    expect(hints(flat, nested)).toEqual([
      'The token has it as x-ms-compliance-status: it was issued while the VM booted.',
    ])
    expect(
      hints(
        { 'a.b': 1, c: [1], d: {} },
        { claim: 'a.b', equals: 1 },
        { claim: 'c', equals: 1 },
        { claim: 'd', equals: 1 },
      ),
    ).toEqual([
      'The claim’s name contains dots, which separate members in a policy.',
      'The claim is a list, and conditions cannot look into lists.',
      'The claim is an object: name one of its members, after a dot.',
    ])
  })
})
