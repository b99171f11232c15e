import { Freshness } from '../ui/freshness.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { CollateralView } from './collateral-view.tsx'
import { readProviders, type Provider } from './providers.ts'
import { ShortfallView } from './shortfall-view.tsx'

/** Attestation providers, and the vendors' statements about the attested silicon. */
export function AttestationPage() {
  const live = useLive('providers', readProviders, () => 30_000)
  return (
    <>
      <div class="head">
        <h1>Attestation</h1>
        <Freshness live={live} />
      </div>
      {live.error !== undefined && <Problem error={live.error} what="The providers could not be read." />}
      {live.value === undefined && live.error === undefined && <p class="quiet">Reading …</p>}
      {live.value !== undefined && (
        <>
          <Providers providers={live.value} />
          <ShortfallView providers={live.value.map(({ host }) => host)} />
        </>
      )}
      <CollateralView />
    </>
  )
}

const Providers = ({ providers }: { providers: readonly Provider[] }) => (
  <Table
    label="Attestation providers"
    rows={providers}
    keyOf={({ host }) => host}
    columns={[
      {
        name: 'Name',
        kind: 'head',
        cell: ({ name, host }) => (
          <a href={`/attestation/${host}`}>
            <bdi>{name}</bdi>
          </a>
        ),
      },
      { name: 'Region', cell: ({ location }) => location },
      { name: 'Whose', cell: ({ shared }) => (shared ? 'shared by the region' : 'yours') },
      {
        name: 'Who may set policies',
        cell: ({ trustModel }) => (trustModel === 'Isolated' ? 'who signs them (Isolated)' : 'who has a role (AAD)'),
      },
      { name: 'Address', cell: ({ host }) => <code>{host}</code> },
    ]}
  />
)
