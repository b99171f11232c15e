import type { KeyItem } from '@strongroom/contract'
import { Freshness } from '../ui/freshness.tsx'
import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { lastPart } from './key.ts'
import { isVaultName, listVault } from './vaults.ts'
import { OperationsLog } from './operations-log.tsx'

/** Keys of a vault or managed HSM, and its operations log. */
export function VaultPage({ vault }: { vault: string }) {
  if (!isVaultName(vault))
    return (
      <>
        <h1>There is no such vault</h1>
        <p>
          A vault’s name has small letters, digits and hyphens. <a href="/keys">All vaults</a>
        </p>
      </>
    )
  return <Known vault={vault} />
}

function Known({ vault }: { vault: string }) {
  const live = useLive(`keys ${vault}`, async (signal) => await listVault<KeyItem>(vault, '/keys', signal))
  return (
    <>
      <div class="head">
        <h1>
          <bdi>{vault}</bdi>
        </h1>
        <Freshness live={live} />
      </div>
      <section class="stack">
        <h2>Keys</h2>
        {live.error !== undefined && <Problem error={live.error} what="The keys could not be read." />}
        {live.value?.length === 0 && <p class="quiet">No key.</p>}
        {live.value !== undefined && live.value.length > 0 && <Keys vault={vault} keys={live.value} />}
      </section>
      <OperationsLog vault={vault} />
    </>
  )
}

const Keys = ({ vault, keys }: { vault: string; keys: readonly KeyItem[] }) => (
  <Table
    label="Keys"
    rows={keys}
    keyOf={({ kid }) => kid}
    columns={[
      {
        name: 'Name',
        kind: 'head',
        cell: ({ kid }) => (
          <a href={`/keys/${vault}/${encodeURIComponent(lastPart(kid))}`}>
            <bdi>{lastPart(kid)}</bdi>
          </a>
        ),
      },
      { name: 'State', cell: ({ attributes }) => <Enabled enabled={attributes.enabled !== false} /> },
      { name: 'Made', cell: ({ attributes }) => secondsOf(attributes.created) },
      { name: 'Ends', cell: ({ attributes }) => secondsOf(attributes.exp) || 'never' },
      { name: 'Released', cell: ({ attributes }) => (attributes.exportable === true ? 'to attested VMs' : 'never') },
      {
        name: 'Tags',
        cell: ({ tags }) =>
          Object.entries(tags).map(([name, value]) => (
            <bdi key={name} class="line">
              {name}={value}
            </bdi>
          )),
      },
    ]}
  />
)

export const Enabled = ({ enabled }: { enabled: boolean }) => (
  <span class={enabled ? 'badge good' : 'badge off'}>{enabled ? 'Enabled' : 'Disabled'}</span>
)

/** A time on the vault's wire, seconds since 1970. */
export const secondsOf = (seconds: number | undefined): string =>
  seconds === undefined ? '' : momentOf(new Date(seconds * 1000).toISOString())
