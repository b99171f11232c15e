import {
  attestationAudience,
  homeRegion,
  sharedAttestationHost,
  type CollateralItemStatus,
  type CollateralStatus,
} from '@strongroom/contract'
import { Fragment } from 'preact'
import { duration, momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { askService } from '../wire/data-plane.ts'

const url = `https://${sharedAttestationHost(homeRegion.code)}/collateral`

const badges: Record<CollateralItemStatus['state'], string> = { current: 'good', due: 'moving', expired: 'bad' }

/** The vendors' statements, with their age and expiry. */
export function CollateralView() {
  const live = useLive(
    'collateral',
    async (signal) => await askService<CollateralStatus>({ url, audience: attestationAudience, signal }),
    () => 60_000,
  )
  return (
    <section class="stack">
      <h2>Collateral</h2>
      {live.error !== undefined && <Problem error={live.error} what="The stored collateral could not be read." />}
      {live.value !== undefined && (
        <>
          {live.value.sources.map(({ name, endpoints }) => (
            <p key={name} class="quiet">
              {name}: {endpoints.length === 0 && 'not contacted; imported collateral is used'}
              {endpoints.map((endpoint, index) => (
                <Fragment key={endpoint}>
                  {index > 0 && ', '}
                  <bdi>{endpoint}</bdi>
                </Fragment>
              ))}
            </p>
          ))}
          <Items items={live.value.items} />
        </>
      )}
    </section>
  )
}

const Items = ({ items }: { items: readonly CollateralItemStatus[] }) => (
  <Table
    label="Collateral"
    rows={items}
    keyOf={({ source, path }) => `${source} ${path}`}
    columns={[
      { name: 'What', kind: 'head', cell: ({ kind, path }) => <span title={path}>{kind}</span> },
      { name: 'Source', cell: ({ source }) => source },
      { name: 'State', cell: ({ state }) => <span class={`badge ${badges[state]}`}>{state}</span> },
      { name: 'Age', cell: ({ fetchedAt }) => <span title={momentOf(fetchedAt)}>{ago(fetchedAt)}</span> },
      { name: 'Next update', cell: ({ refreshAt }) => momentOf(refreshAt) },
      { name: 'Counts until', cell: ({ expiresAt }) => momentOf(expiresAt) },
    ]}
  />
)

const ago = (time: string): string => duration(Math.max(0, Date.now() - Date.parse(time)))
