import type { NextSet, SeenPlatform } from '@strongroom/trust/platforms'
import { readMachines } from '../resources/machine.ts'
import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'

type Lacks = SeenPlatform['lacks']

/** Which component of which platform is behind, by how much, what to update, and the state under the vendor's next set. */
export function ShortfallView({ providers }: { providers: readonly string[] }) {
  const live = useLive(
    `platforms ${providers.join(' ')}`,
    async (signal) => {
      const { readPlatforms } = await import('./shortfall.ts')
      const [platforms, machines] = await Promise.all([
        readPlatforms(providers, signal),
        readMachines(signal).catch(() => []),
      ])
      const names = new Map(machines.map(({ name, properties }) => [properties.vmId.toLowerCase(), name]))
      return { platforms, names }
    },
    () => 60_000,
  )
  return (
    <section class="stack">
      <h2>Platforms: what is behind</h2>
      <p class="quiet">
        As the silicon of the newest decisions reported about itself, held to what its vendor asks for.
      </p>
      {live.error !== undefined && <Problem error={live.error} what="The platforms could not be read." />}
      {live.value === undefined && live.error === undefined && (
        <p class="quiet" role="status">
          Reading evidence …
        </p>
      )}
      {live.value?.platforms.length === 0 && (
        <p class="quiet">No recorded decision concerns a platform that you may see.</p>
      )}
      {live.value !== undefined && live.value.platforms.length > 0 && (
        <Platforms platforms={live.value.platforms} names={live.value.names} />
      )}
    </section>
  )
}

const Platforms = ({ platforms, names }: { platforms: SeenPlatform[]; names: ReadonlyMap<string, string> }) => (
  <Table
    label="Platforms"
    rows={platforms}
    keyOf={({ id }) => id}
    columns={[
      { name: 'Platform', kind: 'head', cell: ({ kind, id }) => <span title={id}>{kind}</span> },
      {
        name: 'Under',
        cell: ({ vmIds }) => <bdi>{vmIds.map((id) => names.get(id.toLowerCase()) ?? id).join(', ')}</bdi>,
      },
      {
        name: 'Status',
        cell: ({ status, against }) => (
          <span class={`badge ${status === 'UpToDate' ? 'good' : 'bad'}`} title={against}>
            {status}
          </span>
        ),
      },
      {
        name: 'What is behind',
        cell: ({ lacks, advisories }) => (
          <>
            <LackList lacks={lacks} />
            {advisories.length > 0 && <p class="quiet">Open: {advisories.join(', ')}</p>}
          </>
        ),
      },
      { name: 'At the vendor’s next set', cell: ({ next }) => <Next next={next} /> },
      { name: 'Attested', cell: ({ at }) => momentOf(at) },
    ]}
  />
)

function LackList({ lacks }: { lacks: Lacks }) {
  if (lacks.length === 0) return <>nothing</>
  return (
    <ul class="steps">
      {lacks.map(({ component, found, wanted, update }) => (
        <li key={component}>
          <strong>{component}</strong>: {found} found, {wanted} wanted, {wanted - found} behind. {update}
        </li>
      ))}
    </ul>
  )
}

function Next({ next }: { next: NextSet }) {
  if (next.state === 'none') return <span class="quiet">{next.why}</span>
  if (next.state === 'upToDate') return <>up to date at evaluation {next.edition}</>
  return (
    <>
      <span class="badge moving">
        {next.status} at evaluation {next.edition}
      </span>
      <LackList lacks={next.lacks} />
      {next.advisories.length > 0 && <p class="quiet">{next.advisories.join(', ')}</p>}
    </>
  )
}
