import type { ShownHost } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { waiting } from './drain.ts'
import { hostColumns, hostRow, shownHost } from './host-view.ts'

const vm = (name: string, o: object = {}): NonNullable<ShownHost['carries']>[number] => ({
  resourceId: `/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/${name}`,
  epoch: 2,
  wanted: 'Running',
  power: 'Ready',
  vCPUs: 4,
  memoryMiB: 16_384,
  ...o,
})
const notBefore = '2026-11-29T09:00:00.000Z'
const host: ShownHost = {
  name: 'rack-1',
  id: 'i',
  region: 'westeurope',
  zone: '2',
  tees: ['SNP'],
  labels: { rack: 'a' },
  capacity: { vCPUs: 64, memoryMiB: 262_144 },
  reserved: { vCPUs: 8, memoryMiB: 32_768 },
  vms: 2,
  state: 'Draining',
  leaseUntil: '2026-11-29T08:00:10.000Z',
  carries: [
    vm('web', { move: { status: 'Scheduled', notBefore, approved: false, waitsFor: 'notice' } }),
    vm('db', { move: { status: 'Started', notBefore, approved: true } }),
  ],
}

describe('a host', () => {
  it('is shown with what is reserved of it, how it is, and what it carries', () => {
    expect(Object.fromEntries(hostColumns.map((column, index) => [column, hostRow(host)[index]]))).toMatchObject({
      VMs: '2',
      Cores: '8 of 64',
      Memory: '32 of 256 GiB',
      State: 'Draining',
    })
    expect(shownHost(host).lines?.join('\n').split('\n')).toEqual([
      'rack-1',
      '  state: Draining',
      '  lease until: 2026-11-29T08:00:10.000Z',
      '  region: westeurope, zone 2',
      '  silicon: SNP',
      '  labels: rack=a',
      '  cores: 8 of 64 reserved',
      '  memory: 32 of 256 GiB reserved',
      '  VMs: 2',
      '',
      'VM   Group  Epoch  Cores  Memory  Wanted   Power  Moves',
      '---  -----  -----  -----  ------  -------  -----  ------------------------',
      `web  rg     2      4      16 GiB  Running  Ready  ${notBefore}`,
      'db   rg     2      4      16 GiB  Running  Ready  now',
    ])
    // The server's own has neither capacity nor lease.
    expect(shownHost({ name: 'local', labels: {}, state: 'Ready' }).lines).toEqual(['local', '  state: Ready'])
  })

  it('that is drained names what each VM waits for, and how it need not', () => {
    const move = { status: 'Scheduled', notBefore, approved: false } as const
    expect(waiting(vm('web', { move: { ...move, waitsFor: 'notice' } }))).toBe(
      `web moves at ${notBefore}, or when its owner approves: az vm perform-maintenance`,
    )
    expect(waiting(vm('web', { move: { ...move, waitsFor: 'set' } }))).toBe(
      'web moves once the other VMs of its set run',
    )
    expect(waiting(vm('web', { move: { ...move, waitsFor: 'room' } }))).toBe('web moves once another host has room')
    for (const none of [{ move }, { move: { ...move, status: 'Started' } }, {}])
      expect(waiting(vm('web', none))).toBeUndefined()
  })
})
