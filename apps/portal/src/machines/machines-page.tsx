import { Frame } from '../app/shell.tsx'
import { place, setQuery } from '../app/router.ts'
import { Freshness } from '../ui/freshness.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { isMoving, readMachines } from './machine.ts'
import { MachineRows } from './machine-rows.tsx'
import { filterOf } from './machine-filter.ts'

/** Poll faster while something is on its way. */
const pace = (moving: boolean): number => (moving ? 1_000 : 10_000)

export function MachinesPage() {
  const machines = useLive('machines', readMachines, (all) => pace(all.some(isMoving)))
  const filter = place.value.query.get('filter') ?? ''
  const all = machines.value
  const shown = all?.filter(filterOf(filter)) ?? []
  return (
    <Frame>
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
            placeholder="Filter by name, group, size, region, tag"
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
      {all === undefined && machines.error === undefined && <p class="quiet">Reading …</p>}
      {all?.length === 0 && (
        <div class="empty">
          <p>No machine yet.</p>
          <a class="button primary" href="/machines/new">
            Make the first one
          </a>
        </div>
      )}
      {shown.length > 0 && <MachineRows machines={shown} />}
      {all !== undefined && all.length > 0 && shown.length === 0 && (
        <div class="empty">
          <p>No machine matches the filter.</p>
          <button type="button" onClick={() => setQuery({ filter: undefined })}>
            Clear the filter
          </button>
        </div>
      )}
    </Frame>
  )
}
