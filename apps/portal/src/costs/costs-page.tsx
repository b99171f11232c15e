import { csvOf } from '@strongroom/contract'
import { place, setQuery } from '../ui/router.ts'
import { Freshness } from '../ui/freshness.tsx'
import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { nameOf } from '../resources/machine.ts'
import { AskForMore } from '../sizes/ask-for-more.tsx'
import { readRegions, readUsages } from '../sizes/size.ts'
import { money, readCosts, readQuotaRequests, type Costs } from './cost.ts'
import { DayChart } from './day-chart.tsx'

const often = (): number => 60_000

/** This month's usage at the installation's prices, and quotas. */
export function CostsPage() {
  const days = useLive('days', async (signal) => await readCosts({ by: ['Meter'], daily: true, signal }), often)
  const resources = useLive(
    'resources',
    async (signal) => await readCosts({ by: ['ResourceId', 'Meter', 'SkuName'], daily: false, signal }),
    often,
  )
  const error = days.error ?? resources.error
  return (
    <>
      <div class="head">
        <h1>Costs and quotas</h1>
        <Freshness live={resources} />
      </div>
      {error !== undefined && <Problem error={error} what="The costs could not be read." />}
      {resources.value !== undefined && days.value !== undefined && (
        <Month days={days.value} resources={resources.value} />
      )}
      <Quotas />
    </>
  )
}

function Month({ days, resources }: { days: Costs; resources: Costs }) {
  const { currency } = resources
  const total = resources.rows.reduce((sum, { cost }) => sum + cost, 0)
  const rows = resources.rows.toSorted((a, b) => b.cost - a.cost || b.hours - a.hours)
  const csv = csvOf(
    ['resource', 'meter', 'sku', 'hours', `cost ${currency ?? ''}`.trim()],
    rows.map(({ keys, hours, cost }) => [...keys, hours, cost]),
  )
  return (
    <section class="stack">
      <h2>This month {currency !== undefined && money(total, currency)}</h2>
      {currency === undefined && (
        <p class="note">
          This installation has no price list: hours are counted, and cost nothing. Give it one:{' '}
          <code>strongroom cost prices set prices.json</code>
        </p>
      )}
      <DayChart rows={days.rows} of={currency === undefined ? 'hours' : 'cost'} />
      {rows.length === 0 ? (
        <p class="quiet">Nothing was used.</p>
      ) : (
        <>
          <Table
            label="Costs of this month"
            rows={rows}
            keyOf={({ keys }) => keys.join(' ')}
            columns={[
              {
                name: 'Resource',
                kind: 'head',
                cell: ({ keys: [id = ''] }) => <bdi title={id}>{nameOf(id)}</bdi>,
              },
              { name: 'Meter', cell: ({ keys: [, meter] }) => meter },
              { name: 'Size or SKU', cell: ({ keys: [, , sku] }) => sku },
              { name: 'Hours', kind: 'number', cell: ({ hours }) => hours.toFixed(hours < 0.1 ? 4 : 2) },
              {
                name: 'Cost',
                kind: 'number',
                cell: ({ cost }) => (currency === undefined ? 'no price' : money(cost, currency)),
              },
            ]}
          />
          <p>
            <a href={`data:text/csv;charset=utf-8,${encodeURIComponent(csv)}`} download="strongroom-costs.csv">
              Download as CSV
            </a>
          </p>
        </>
      )}
    </section>
  )
}

function Quotas() {
  const regions = useLive('regions', readRegions, () => 300_000)
  const region = place.value.query.get('region') ?? regions.value?.[0]?.name ?? ''
  const usages = useLive(`usages ${region}`, async (signal) => (region === '' ? [] : await readUsages(region, signal)))
  const requests = useLive(`requests ${region}`, async (signal) =>
    region === '' ? [] : await readQuotaRequests(region, signal),
  )
  const error = regions.error ?? usages.error ?? requests.error
  return (
    <section class="stack">
      <h2>Quotas</h2>
      {error !== undefined && <Problem error={error} what="The quotas could not be read." />}
      <label class="short">
        Region
        <select value={region} onChange={(event) => setQuery({ region: event.currentTarget.value })}>
          {(regions.value ?? []).map(({ name, displayName }) => (
            <option key={name} value={name}>
              {displayName}
            </option>
          ))}
        </select>
      </label>
      <Table
        label="Quotas"
        rows={usages.value ?? []}
        keyOf={({ name }) => name.value}
        columns={[
          { name: 'Quota', kind: 'head', cell: ({ name }) => name.localizedValue },
          { name: 'Used', kind: 'number', cell: ({ currentValue }) => currentValue },
          { name: 'Limit', kind: 'number', cell: ({ limit }) => limit },
          {
            name: 'Request more',
            cell: ({ name, limit }) => (
              <AskForMore region={region} quota={name.value} limit={limit === 0 ? 10 : limit * 2} />
            ),
          },
        ]}
      />
      <h3>Requests</h3>
      {requests.value?.length === 0 && <p class="quiet">None in this region.</p>}
      <ul class="steps">
        {(requests.value ?? []).map(({ name, properties }) => (
          <li key={name}>
            <span class={`badge ${{ Succeeded: 'good', Failed: 'bad' }[properties.provisioningState] ?? 'moving'}`}>
              {properties.provisioningState}
            </span>{' '}
            {properties.value.map((each) => `${each.name.value}: ${each.limit.value}`).join(', ')}{' '}
            <span class="quiet">{momentOf(properties.requestSubmitTime)}</span> <bdi>{properties.message ?? ''}</bdi>
          </li>
        ))}
      </ul>
    </section>
  )
}
