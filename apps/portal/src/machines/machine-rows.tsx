import { useLive } from '../ui/live.ts'
import { useWindow } from '../ui/virtual.ts'
import {
  encryptionOf,
  groupOf,
  isMoving,
  placeOf,
  powerOf,
  readInstanceView,
  type InstanceView,
  type Machine,
} from './machine.ts'
import { StateBadge } from './state-badge.tsx'

/** As style/table.css has it. */
const rowHeight = 40

/** The list, as a table of which only what is on the screen exists. */
export function MachineRows({ machines }: { machines: readonly Machine[] }) {
  const [{ from, to, above, height }, body] = useWindow(machines.length, rowHeight)
  const shown = machines.slice(from, to)
  const views = useViews(shown)
  return (
    <div class="table" role="table" aria-label="Machines" aria-rowcount={machines.length + 1}>
      <div role="rowgroup">
        <div class="row head" role="row" aria-rowindex={1}>
          {['Name', 'State', 'Group', 'Size', 'Disk encryption', 'Region'].map((name) => (
            <span key={name} role="columnheader">
              {name}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" ref={body} style={{ height: `${height}px` }}>
        <div class="rows" style={{ transform: `translateY(${above}px)` }}>
          {shown.map((machine, index) => (
            <Row key={machine.id} machine={machine} view={views.get(machine.id)} index={from + index + 2} />
          ))}
        </div>
      </div>
    </div>
  )
}

function Row({ machine, view, index }: { machine: Machine; view: InstanceView | undefined; index: number }) {
  const { properties } = machine
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
          power={view === undefined ? undefined : powerOf(view)}
        />
      </span>
      <span role="cell">
        <bdi>{groupOf(machine.id)}</bdi>
      </span>
      <span role="cell">{properties.hardwareProfile.vmSize.replace(/^Standard_/, '')}</span>
      <span role="cell">{encryptionWords[encryptionOf(machine) ?? ''] ?? 'none of its own'}</span>
      <span role="cell">{machine.location}</span>
    </div>
  )
}

const encryptionWords: Record<string, string> = {
  DiskWithVMGuestState: 'disk and guest state',
  VMGuestStateOnly: 'guest state only',
  NonPersistedTPM: 'nothing kept',
}

/** States of the machines on the screen: what is on its way is asked every second. */
function useViews(shown: readonly Machine[]): ReadonlyMap<string, InstanceView> {
  const key = shown.map(({ id, properties }) => `${id} ${properties.provisioningState}`).join('\n')
  const live = useLive(
    key,
    async (signal) => {
      const read = async ({ id }: Machine): Promise<[string, InstanceView] | undefined> =>
        await readInstanceView(id, signal).then(
          (view): [string, InstanceView] => [id, view],
          () => undefined,
        )
      const views = await Promise.all(shown.map(read))
      return new Map(views.filter((entry) => entry !== undefined))
    },
    (views) => {
      const moving = shown.some((machine) => {
        const view = views.get(machine.id)
        return isMoving({ properties: { ...machine.properties, ...(view !== undefined && { instanceView: view }) } })
      })
      return moving ? 1_000 : 10_000
    },
  )
  return live.value ?? new Map()
}
