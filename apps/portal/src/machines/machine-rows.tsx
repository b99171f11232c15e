import { money, type CostRow } from '../costs/cost.ts'
import { useWindow } from '../ui/virtual.ts'
import { encryptionOf, groupOf, placeOf, powerOf, type Machine } from '../resources/machine.ts'
import { StateBadge } from './state-badge.tsx'

/** As style/table.css has it. */
const rowHeight = 40

export interface MachineCosts {
  /** For this month, by resource id in lower case. */
  byId: ReadonlyMap<string, CostRow>
  currency: string | undefined
}

/** The list, as a table that renders only the visible rows. */
export function MachineRows({ machines, costs }: { machines: readonly Machine[]; costs: MachineCosts | undefined }) {
  const [{ from, to, above, height }, body] = useWindow(machines.length, rowHeight)
  const shown = machines.slice(from, to)
  return (
    <div class="table" role="table" aria-label="Machines" aria-rowcount={machines.length + 1}>
      <div role="rowgroup">
        <div class="row head" role="row" aria-rowindex={1}>
          {['Name', 'State', 'Group', 'Size', 'Disk encryption', 'Region', 'This month'].map((name) => (
            <span key={name} role="columnheader">
              {name}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" ref={body} style={{ height: `${height}px` }}>
        <div class="rows" style={{ transform: `translateY(${above}px)` }}>
          {shown.map((machine, index) => (
            <Row key={machine.id} machine={machine} costs={costs} index={from + index + 2} />
          ))}
        </div>
      </div>
    </div>
  )
}

function Row({ machine, costs, index }: { machine: Machine; costs: MachineCosts | undefined; index: number }) {
  const { properties } = machine
  const { instanceView } = properties
  return (
    <div class="row" role="row" aria-rowindex={index}>
      <span role="cell" class="name">
        <a href={placeOf(machine)}>
          <bdi>{machine.name}</bdi>
        </a>
      </span>
      <span role="cell">
        <StateBadge
          provisioning={properties.provisioningState}
          power={instanceView === undefined ? undefined : powerOf(instanceView)}
        />
      </span>
      <span role="cell">
        <bdi>{groupOf(machine.id)}</bdi>
      </span>
      <span role="cell">{properties.hardwareProfile.vmSize.replace(/^Standard_/, '')}</span>
      <span role="cell">{encryptionWords[encryptionOf(machine) ?? ''] ?? 'none of its own'}</span>
      <span role="cell">{machine.location}</span>
      <span role="cell">{costOf(machine, costs)}</span>
    </div>
  )
}

const encryptionWords: Record<string, string> = {
  DiskWithVMGuestState: 'disk and guest state',
  VMGuestStateOnly: 'guest state only',
  NonPersistedTPM: 'nothing kept',
}

/** Empty if not read; hours if nothing has a price. */
function costOf({ id }: Machine, costs: MachineCosts | undefined): string {
  if (costs === undefined) return '…'
  const row = costs.byId.get(id.toLowerCase())
  if (row === undefined) return 'nothing yet'
  return costs.currency === undefined
    ? `${row.hours.toFixed(row.hours < 1 ? 2 : 0)} h`
    : money(row.cost, costs.currency)
}
