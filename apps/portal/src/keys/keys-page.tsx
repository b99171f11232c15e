import { platformVault } from '@strongroom/contract'
import { groupOf } from '../resources/machine.ts'
import { Freshness } from '../ui/freshness.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { readHolders } from './vaults.ts'

/** Vaults and managed HSMs, and the platform's own vault, whose log anyone may request. */
export function KeysPage() {
  const live = useLive('key-holders', readHolders)
  return (
    <>
      <div class="head">
        <h1>Keys</h1>
        <Freshness live={live} />
      </div>
      {live.error !== undefined && <Problem error={live.error} what="The vaults could not be read." />}
      {live.value === undefined && live.error === undefined && <p class="quiet">Reading …</p>}
      {live.value?.length === 0 && (
        <p class="quiet">
          No vault of yours. <a href="/machines/new">Making a machine</a> makes one with “Make a key of mine”.
        </p>
      )}
      {live.value !== undefined && live.value.length > 0 && (
        <Table
          label="Vaults and managed HSMs"
          rows={live.value}
          keyOf={({ id }) => id}
          columns={[
            {
              name: 'Name',
              kind: 'head',
              cell: ({ vault }) => (
                <a href={`/keys/${vault}`}>
                  <bdi>{vault}</bdi>
                </a>
              ),
            },
            { name: 'Kind', cell: ({ kind, state }) => `${kind}${state === '' ? '' : `, ${state}`}` },
            { name: 'Group', cell: ({ id }) => <bdi>{groupOf(id)}</bdi> },
            { name: 'Region', cell: ({ location }) => location },
            {
              name: 'Purge protection',
              cell: ({ purgeProtection }) => (purgeProtection ? 'on' : 'off: a deleted key can be purged at once'),
            },
          ]}
        />
      )}
      <section class="stack">
        <h2>The platform’s own keys</h2>
        <p>
          <a href={`/keys/${platformVault}`}>{platformVault}</a>: one key for each confidential VM. Nobody but the
          platform uses them; what was done with them is in the vault’s log, for the owner to verify.
        </p>
      </section>
    </>
  )
}
