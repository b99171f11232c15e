import type { HostView, ShownHost } from '@strongroom/contract'
import type { ArmClient } from '../../client/arm.ts'
import { tableLines, type Result } from '../../core/output.ts'

export const hostsVersion = '2026-11-01'
export const hostPathOf = (arm: ArmClient, name: string): string =>
  `${arm.subscription}/providers/Strongroom.Fleet/hosts/${encodeURIComponent(name)}`

export const hostColumns = ['Name', 'Region', 'Zone', 'Silicon', 'VMs', 'Cores', 'Memory', 'State', 'Lease until']
export const hostRow = (host: HostView): string[] => [
  host.name,
  host.region ?? '',
  host.zone ?? '',
  (host.tees ?? []).join(','),
  host.vms === undefined ? '' : String(host.vms),
  coresOf(host),
  memoryOf(host),
  host.state,
  host.leaseUntil ?? '',
]

const gibibytes = (memoryMiB: number): number => Math.floor(memoryMiB / 1024)

/** Reserved of all. */
const coresOf = ({ capacity, reserved }: HostView): string =>
  capacity === undefined ? '' : `${reserved?.vCPUs ?? 0} of ${capacity.vCPUs}`
const memoryOf = ({ capacity, reserved }: HostView): string =>
  capacity === undefined ? '' : `${gibibytes(reserved?.memoryMiB ?? 0)} of ${gibibytes(capacity.memoryMiB)} GiB`

const nameOfVm = (id: string): string => id.split('/').at(-1) ?? id

const carriedColumns = ['VM', 'Group', 'Epoch', 'Cores', 'Memory', 'Wanted', 'Power', 'Moves']
type Carried = NonNullable<ShownHost['carries']>[number]

const carriedRow = (vm: Carried): string[] => [
  nameOfVm(vm.resourceId),
  vm.resourceId.split('/')[4] ?? '',
  String(vm.epoch),
  String(vm.vCPUs),
  `${gibibytes(vm.memoryMiB)} GiB`,
  vm.wanted,
  vm.power ?? '',
  movesOf(vm.move),
]

const waits = { set: 'once its set runs', room: 'once another host has room' }

function movesOf(move: Carried['move']): string {
  if (move === undefined) return ''
  if (move.status === 'Started') return 'now'
  return move.waitsFor === 'set' || move.waitsFor === 'room'
    ? waits[move.waitsFor]
    : move.approved
      ? 'now'
      : move.notBefore
}

/** How a host is, and what it carries. */
export function shownHost(host: ShownHost): Result {
  const { carries = [], labels } = host
  const facts: [string, string | undefined][] = [
    ['state', host.state],
    ['lease until', host.leaseUntil],
    ['joined', host.joinedAt],
    ['region', host.zone === undefined ? host.region : `${host.region}, zone ${host.zone}`],
    ['silicon', host.tees?.join(', ')],
    [
      'labels',
      Object.entries(labels)
        .map(([name, value]) => `${name}=${value}`)
        .join(', ') || undefined,
    ],
    ['cores', host.capacity && `${coresOf(host)} reserved`],
    ['memory', host.capacity && `${memoryOf(host)} reserved`],
    ['VMs', host.vms === undefined ? undefined : String(host.vms)],
  ]
  return {
    data: host,
    lines: [
      host.name,
      ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name}: ${value}`])),
      ...(carries.length === 0 ? [] : ['', ...tableLines(carriedColumns, carries.map(carriedRow))]),
    ],
  }
}
