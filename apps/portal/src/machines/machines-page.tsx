import { useRef, useState } from 'preact/hooks'
import { place, setQuery } from '../ui/router.ts'
import { Freshness } from '../ui/freshness.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { readCosts } from '../costs/cost.ts'
import { isMoving, readMachines, type Machine } from '../resources/machine.ts'
import { MachineRows, type MachineCosts } from './machine-rows.tsx'
import { filterOf } from './machine-filter.ts'

/** Polls more often while something is changing, and more rarely for long lists: 10,000 machines every 20 seconds. */
const pace = (all: readonly Machine[]): number => Math.max(all.some(isMoving) ? 1_000 : 10_000, all.length * 2)

/** Each machine's cost this month, by id in lower case. */
async function readOwnCosts(signal: AbortSignal): Promise<MachineCosts> {
  const { rows, currency } = await readCosts({ by: ['ResourceId'], daily: false, signal })
  return { byId: new Map(rows.map((row) => [(row.keys[0] ?? '').toLowerCase(), row])), currency }
}

export function MachinesPage() {
  const [first, setFirst] = useState<readonly Machine[]>()
  const whole = useRef(false)
  const machines = useLive(
    'machines',
    async (signal) => await readMachines(signal, whole.current ? undefined : setFirst),
    pace,
  )
  whole.current = machines.value !== undefined
  const costs = useLive('own-costs', readOwnCosts, () => 60_000)
  const filter = place.value.query.get('filter') ?? ''
  // The first page is shown while the others load; later reads replace the whole list.
  const all = machines.value ?? first
  const shown = all?.filter(filterOf(filter)) ?? []
  return (
    <>
      <div class="head">
        <h1>Machines</h1>
        <Freshness live={machines} />
        <a class="button primary end" href="/machines/new">
          Make one
        </a>
      </div>
      <div class="tools">
        <label class="search">
          <span class="visually-hidden">Filter machines</span>
          <input
            type="search"
            placeholder="Filter by name, state, group, size, region, tag"
            value={filter}
            onInput={(event) => setQuery({ filter: event.currentTarget.value })}
          />
        </label>
        {all !== undefined && (
          <span class="count" role="status">
            {filter === ''
              ? `${all.length} ${all.length === 1 ? 'machine' : 'machines'}`
              : `${shown.length} of ${all.length}`}
          </span>
        )}
      </div>
      {machines.error !== undefined && <Problem error={machines.error} what="The machines could not be read." />}
      {machines.value === undefined && first !== undefined && <p class="quiet">Reading the rest …</p>}
      {all === undefined && machines.error === undefined && <p class="quiet">Reading …</p>}
      {all?.length === 0 && (
        <div class="empty">
          <p>No machine yet.</p>
          <a class="button primary" href="/machines/new">
            Make the first one
          </a>
        </div>
      )}
      {shown.length > 0 && <MachineRows machines={shown} costs={costs.value} />}
      {all !== undefined && all.length > 0 && shown.length === 0 && (
        <div class="empty">
          <p>No machine matches the filter.</p>
          <button type="button" onClick={() => setQuery({ filter: undefined })}>
            Clear the filter
          </button>
        </div>
      )}
    </>
  )
}
