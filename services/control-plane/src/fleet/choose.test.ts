import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { choose, explainRuledOut, type Candidate, type Need, type SetMember } from './choose.ts'

const host = (o: Partial<Candidate> = {}): Candidate => ({
  id: o.name ?? 'a',
  name: 'a',
  region: 'westeurope',
  zone: '1',
  tees: ['SNP', 'TDX'],
  vCPUs: 64,
  memoryMiB: 262_144,
  usedVCPUs: 0,
  usedMemoryMiB: 0,
  ...o,
})
const need = (o: Partial<Need> = {}): Need => ({
  region: 'westeurope',
  tee: 'SNP',
  vCPUs: 4,
  memoryMiB: 16_384,
  ...o,
})
const chosen = (candidates: Candidate[], o: Partial<Need> = {}): string | undefined =>
  choose(candidates, need(o)).host?.name

const anyHost = fc.record({
  region: fc.constantFrom('westeurope', 'northeurope'),
  zone: fc.constantFrom(undefined, '1', '2', '3'),
  tees: fc.subarray<'SNP' | 'TDX'>(['SNP', 'TDX']),
  vCPUs: fc.integer({ min: 1, max: 64 }),
  memoryMiB: fc.integer({ min: 1, max: 64 }).map((gib) => gib * 1024),
  closed: fc.constantFrom(undefined, undefined, undefined, 'lost' as const, 'draining' as const, 'invited' as const),
})
const anyFleet = fc
  .array(anyHost, { maxLength: 12 })
  .map((all) =>
    all.map(({ closed, ...each }, index) => host({ ...each, name: `h${index}`, ...(closed && { closed }) })),
  )
const anyNeed = fc
  .record({
    region: fc.constantFrom('westeurope', 'northeurope'),
    zone: fc.constantFrom(undefined, '1', '2'),
    tee: fc.constantFrom(undefined, 'SNP' as const, 'TDX' as const),
    vCPUs: fc.integer({ min: 1, max: 16 }),
    memoryMiB: fc.integer({ min: 1, max: 16 }).map((gib) => gib * 1024),
  })
  .map(({ zone, tee, ...rest }): Need => ({ ...rest, ...(zone && { zone }), ...(tee && { tee }) }))

describe('the choice of a host', () => {
  it('spreads by zone, then takes the host of which the least is reserved, then the first by name', () => {
    expect(chosen([host({ name: 'b' }), host({ name: 'a' })])).toBe('a')
    expect(chosen([host({ name: 'a', usedVCPUs: 8 }), host({ name: 'b', usedVCPUs: 4 })])).toBe('b')
    // Shares, not cores: 8 of 64 is less than 4 of 16.
    expect(chosen([host({ name: 'a', usedVCPUs: 8 }), host({ name: 'b', usedVCPUs: 4, vCPUs: 16 })])).toBe('a')
    const inZones = [
      host({ name: 'a', zone: '1' }),
      host({ name: 'b', zone: '1', usedVCPUs: 32 }),
      host({ name: 'c', zone: '2', usedVCPUs: 4 }),
    ]
    expect(chosen(inZones)).toBe('c')
    expect(chosen(inZones, { zone: '1' })).toBe('a')
  })

  it('puts VMs of a set on different hosts as long as there are such, before it looks at zones and reservations, and says so', () => {
    const spread = { id: '/sets/web', faultDomains: 2, updateDomains: 5 }
    const fleet = [
      host({ name: 'a' }),
      host({ name: 'b', usedVCPUs: 32 }),
      host({ name: 'c', zone: '2', usedVCPUs: 60 }),
    ]
    const members: SetMember[] = []
    const add = (o: Partial<Need> = {}): [string | undefined, unknown] => {
      const { host: taken, why } = choose(fleet, need({ spread, ...o }), members)
      const at = why.chosen?.spread
      if (taken !== undefined && at !== undefined) members.push({ host: taken.id, ...at })
      return [taken?.name, at]
    }
    expect(add()).toEqual(['a', { faultDomain: 0, updateDomain: 0, others: 0 }])
    expect(add()).toEqual(['b', { faultDomain: 1, updateDomain: 1, others: 0 }])
    expect(add()).toEqual(['c', { faultDomain: 0, updateDomain: 2, others: 0 }])
    // One on each: from here on as without a set, in the fault domain of the host.
    expect(add()).toEqual(['a', { faultDomain: 0, updateDomain: 3, others: 1 }])
    // What rules a host out comes first: a set is not a reason to fail.
    expect(add({ zone: '1', vCPUs: 33 })).toEqual(['a', { faultDomain: 0, updateDomain: 4, others: 2 }])
    expect(add({ zone: '3' })).toEqual([undefined, undefined])
  })

  it('gives VMs of a set that are on one host one fault domain, and uses as many hosts as it can', () => {
    const spread = fc.record({
      id: fc.constant('/sets/web'),
      faultDomains: fc.integer({ min: 1, max: 3 }),
      updateDomains: fc.integer({ min: 1, max: 20 }),
    })
    fc.assert(
      fc.property(anyFleet, spread, fc.integer({ min: 1, max: 12 }), (fleet, set, count) => {
        const members: SetMember[] = []
        for (let made = 0; made < count; made++) {
          const { host: taken, why } = choose(fleet, need({ spread: set, vCPUs: 1, memoryMiB: 1 }), members)
          if (taken === undefined) break
          taken.usedVCPUs += 1
          taken.usedMemoryMiB += 1
          const fewest = Math.min(
            ...fleet
              .filter((each) => !why.ruledOut.some(({ hosts }) => hosts.includes(each.name)))
              .map(({ id }) => members.filter((member) => member.host === id).length),
          )
          if (why.ruledOut.every((each) => each.count === each.hosts.length))
            expect(why.chosen?.spread?.others).toBe(fewest)
          members.push({ host: taken.id, ...why.chosen!.spread! })
        }
        for (const member of members) {
          expect(member.faultDomain).toBeLessThan(set.faultDomains)
          expect(member.updateDomain).toBeLessThan(set.updateDomains)
          for (const other of members)
            if (other.host === member.host) expect(other.faultDomain).toBe(member.faultDomain)
        }
      }),
    )
  })

  it('says of every host that it did not take why, and of the one that it took what was reserved on it', () => {
    const fleet = [
      host({ name: 'lost', closed: 'lost' }),
      host({ name: 'far', region: 'northeurope' }),
      host({ name: 'tdx', tees: ['TDX'] }),
      host({ name: 'full', usedVCPUs: 62 }),
      host({ name: 'small', memoryMiB: 8192 }),
      host({ name: 'zone', zone: '2' }),
      host({ name: 'right' }),
    ]
    const { why } = choose(fleet, need({ zone: '1' }))
    expect(why).toMatchObject({ considered: 7, fitting: 1, chosen: { host: 'right', zone: '1', vCPUs: 64 } })
    expect(explainRuledOut(why)).toEqual([
      '1 host: has not called within its lease (lost)',
      '1 host: is in another region (far)',
      '1 host: is in another zone (zone)',
      '1 host: has no such processor (tdx)',
      '1 host: has no room for its cores (full)',
      '1 host: has no room for its memory (small)',
    ])
    const many = Array.from({ length: 9 }, (_, index) => host({ name: `h${index}`, usedVCPUs: 64 }))
    expect(explainRuledOut(choose(many, need()).why)).toEqual([
      '9 hosts: has no room for its cores (h0, h1, h2, h3, h4, …)',
    ])
  })

  it('never puts more on a host than it carries, nor on one that may not have it, in whatever order VMs come', () => {
    fc.assert(
      fc.property(anyFleet, fc.array(anyNeed, { maxLength: 60 }), (fleet, needs) => {
        for (const each of needs) {
          const { host: taken, why } = choose(fleet, each)
          expect(why.fitting + why.ruledOut.reduce((sum, { count }) => sum + count, 0)).toBe(fleet.length)
          if (taken === undefined) {
            expect(why.fitting).toBe(0)
            continue
          }
          taken.usedVCPUs += each.vCPUs
          taken.usedMemoryMiB += each.memoryMiB
          expect(taken.usedVCPUs).toBeLessThanOrEqual(taken.vCPUs)
          expect(taken.usedMemoryMiB).toBeLessThanOrEqual(taken.memoryMiB)
          expect([taken.closed, taken.region]).toEqual([undefined, each.region])
          if (each.zone !== undefined) expect(taken.zone).toBe(each.zone)
          if (each.tee !== undefined) expect(taken.tees).toContain(each.tee)
        }
      }),
    )
  })

  it('is the same for the same hosts, in whatever order they come', () => {
    fc.assert(
      fc.property(anyFleet, anyNeed, fc.integer(), (fleet, each, seed) => {
        const shuffled = fleet.toSorted(
          (a, b) => ((a.name.charCodeAt(1) * 31 + seed) % 7) - ((b.name.charCodeAt(1) * 31 + seed) % 7),
        )
        expect(choose(shuffled, each)).toEqual(choose(fleet, each))
        expect(choose(fleet.toReversed(), each)).toEqual(choose(fleet, each))
      }),
    )
  })

  it('takes one look at each host: eight times the hosts, no more than about eight times the work', () => {
    const looks = (count: number): number => {
      let reads = 0
      const watched = Array.from({ length: count }, (_, index) =>
        Object.defineProperty(host({ name: `h${index}`, zone: String(index % 3), usedVCPUs: index % 60 }), 'closed', {
          get: () => void reads++,
        }),
      )
      choose(watched, need())
      return reads
    }
    expect(looks(800)).toBeLessThanOrEqual(8 * looks(100))
  })
})
