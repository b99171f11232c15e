import { describe, expect, it } from 'vitest'
import type { Host } from './hosts.ts'
import { judgeSizes, type Facts } from './reasons.ts'
import type { Size, Usage } from './size.ts'

const size = (name: string, region: string, more: Partial<Size> = {}): Size => ({
  name,
  region,
  family: 'f',
  zones: ['1'],
  vCPUs: 4,
  memoryGiB: 16,
  tempGiB: 0,
  dataDisks: 4,
  tee: 'SNP',
  offered: true,
  carried: more.offered ?? true,
  ...more,
})
const usage = (value: string, currentValue: number, limit: number): Usage => ({
  name: { value, localizedValue: value },
  currentValue,
  limit,
})
const facts = (...usages: Usage[]): Facts => ({ usages, hosts: undefined })
const local: Host = { name: 'local', state: 'Ready', tees: ['SNP', 'TDX'] }
const amd: Host = { name: 'rack-1', region: 'here', zone: '1', state: 'Ready', tees: ['SNP'] }
const wanted = { region: 'here', encryption: 'DiskWithVMGuestState' }

describe('what stands in the way of a size', () => {
  it('is nothing where it can be had, and such sizes come first', () => {
    const all = [size('b', 'here', { tee: undefined }), size('a', 'here', { vCPUs: 8 })]
    const judged = judgeSizes(all, facts(usage('f', 0, 100), usage('cores', 0, 100)), wanted)
    expect(judged.map((each) => [each.size.name, each.reasons.length])).toEqual([
      ['a', 0],
      ['b', 1],
    ])
  })

  it('names every region that has it', () => {
    const all = [size('a', 'here', { offered: false }), size('a', 'there'), size('a', 'nowhere', { offered: false })]
    expect(judgeSizes(all, facts(), wanted)[0]?.reasons).toEqual([
      { kind: 'region', text: 'here does not offer it. It is in there.' },
    ])
  })

  it('is a size that no host can carry: by its silicon where that is the reason, and where else it is', () => {
    const all = [
      size('a', 'here', { carried: false, vCPUs: 96 }),
      size('a', 'there', { carried: false }),
      size('a', 'far'),
    ]
    expect(judgeSizes(all, { usages: [], hosts: [amd] }, wanted)[0]?.reasons).toEqual([
      { kind: 'host', text: 'No host in here can carry it. It is in far.' },
    ])
    const tdx = [size('a', 'here', { carried: false, tee: 'TDX' })]
    const kinds = (hosts: Host[] | undefined): string[] =>
      judgeSizes(tdx, { usages: [], hosts }, wanted)[0]!.reasons.map(({ kind }) => kind)
    expect([kinds([amd]), kinds(undefined)]).toEqual([['silicon'], ['host']])
  })

  it('counts cores of the family and of the region, and says what to ask for', () => {
    const [judged] = judgeSizes([size('a', 'here')], facts(usage('F', 97, 100), usage('cores', 96, 100)), wanted)
    expect(judged?.reasons).toEqual([
      { kind: 'quota', text: 'Quota: 97 of 100 cores are used (F); it needs 4.', ask: { quota: 'F', limit: 101 } },
    ])
  })

  it('knows what silicon and zone a choice needs', () => {
    const reasons = judgeSizes([size('a', 'here')], facts(), {
      region: 'here',
      zone: '3',
      encryption: 'NonPersistedTPM',
    })
    expect(reasons[0]?.reasons.map(({ kind }) => kind)).toEqual(['zone', 'encryption'])
  })

  const siliconOf = (
    hosts: Host[] | undefined,
    more: { tee?: Size['tee']; zone?: string; offered?: boolean } = {},
  ): string[] => {
    const { tee = 'TDX', zone, offered = true } = more
    const [judged] = judgeSizes([size('a', 'here', { tee, offered })], { usages: [], hosts }, { ...wanted, zone })
    return (judged?.reasons ?? []).filter(({ kind }) => kind === 'silicon').map(({ text }) => text)
  }

  it.each<[string, Host[] | undefined, Parameters<typeof siliconOf>[1], string[]]>([
    ['the server’s own host has both', [local], {}, []],
    ['nobody says which hosts there are', undefined, {}, []],
    ['a host has it', [{ ...amd, tees: ['SNP', 'TDX'] }], {}, []],
    ['it is that of another size', [amd], { tee: 'SNP' }, []],
    ['a host that has it is lost for now', [{ ...amd, tees: ['TDX'], state: 'Lost' }], {}, []],
    ['the region does not offer the size at all', [amd], { offered: false }, []],
    [
      'hosts have other silicon',
      [{ name: 'local', state: 'Ready' }, amd],
      {},
      ['No host in here has Intel TDX. There is rack-1, with other silicon.'],
    ],
    [
      'a host that has it has not joined',
      [amd, { ...amd, name: 'b', tees: ['TDX'], state: 'Invited' }],
      {},
      ['No host in here has Intel TDX. There is rack-1, with other silicon.'],
    ],
    [
      'a host that has it is elsewhere',
      [{ ...amd, region: 'there' }],
      { tee: 'SNP' },
      ['No host in here has AMD SEV-SNP. There is none.'],
    ],
    [
      'a host that has it is in another zone',
      [amd],
      { tee: 'SNP', zone: '2' },
      ['No host in zone 2 of here has AMD SEV-SNP. There is none.'],
    ],
    [
      'there are many',
      Array.from({ length: 7 }, (_, n) => ({ ...amd, name: `r${n}` })),
      {},
      ['No host in here has Intel TDX. There is r0, r1, r2, r3, r4 and 2 more, with other silicon.'],
    ],
  ])('is what silicon the hosts have: %s', (_, hosts, more, expected) => {
    expect(siliconOf(hosts, more)).toEqual(expected)
  })

  it('is an image that does not qualify, for every confidential size', () => {
    const sizes = [size('a', 'here'), size('b', 'here', { tee: undefined })]
    const reasons = (confidential: boolean): string[][] =>
      judgeSizes(sizes, facts(), { ...wanted, image: { urn: 'p:o:s:latest', confidential } }).map((each) =>
        each.reasons.map(({ kind }) => kind),
      )
    expect(reasons(true)).toEqual([[], ['security']])
    expect(reasons(false)).toEqual([['image'], ['security']])
  })
})
