import { place, setQuery } from '../ui/router.ts'
import { Freshness } from '../ui/freshness.tsx'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { encryptions } from '../resources/machine.ts'
import { imageText, readImages } from '../resources/images.ts'
import { Why } from './ask-for-more.tsx'
import { readHosts } from './hosts.ts'
import { judgeSizes, type Judged } from './reasons.ts'
import { readRegions, readSizes, readUsages, silicon } from './size.ts'

/** Every size, and why one is unavailable (rule S20): a size is never hidden without a reason. */
export function SizesPage() {
  const { query } = place.value
  const regions = useLive('regions', readRegions, () => 300_000)
  const sizes = useLive('sizes', readSizes, () => 300_000)
  const region = query.get('region') ?? regions.value?.[0]?.name ?? ''
  const usages = useLive(
    `usages ${region}`,
    async (signal) => (region === '' ? [] : await readUsages(region, signal)),
    () => 10_000,
  )
  const hosts = useLive('hosts', readHosts)
  const images = useLive(
    `images ${region}`,
    async (signal) => (region === '' ? [] : await readImages(region, signal)),
    () => 300_000,
  )
  const image = images.value?.find(({ urn }) => urn === query.get('image'))
  const encryption = query.get('encryption') ?? encryptions[0]!.value
  const error = regions.error ?? sizes.error ?? usages.error ?? hosts.error ?? images.error
  const ready = sizes.value !== undefined && usages.value !== undefined && hosts.at !== undefined && region !== ''
  const all = ready
    ? judgeSizes(
        sizes.value!,
        { usages: usages.value!, hosts: hosts.value },
        { region, zone: query.get('zone') ?? undefined, encryption, image },
      )
    : []
  const shown = all.filter((each) => passes(each, query))
  const good = shown.filter(({ reasons }) => reasons.length === 0)
  const bad = shown.filter(({ reasons }) => reasons.length > 0)
  return (
    <>
      <div class="head">
        <h1>Sizes</h1>
        <Freshness live={usages} />
      </div>
      <p class="quiet">
        What you can have in this region, and for everything else why not. The address keeps the view.
      </p>
      <div class="tools filters">
        <Choice
          name="region"
          label="Region"
          options={(regions.value ?? []).map((r) => [r.name, r.displayName])}
          value={region}
        />
        <Choice
          name="zone"
          label="Zone"
          options={[
            ['', 'Any'],
            ['1', '1'],
            ['2', '2'],
            ['3', '3'],
          ]}
          value={query.get('zone') ?? ''}
        />
        <Choice
          name="encryption"
          label="Disk encryption"
          options={encryptions.map((e) => [e.value, e.name])}
          value={encryption}
        />
        <Choice
          name="image"
          label="Image"
          options={[
            ['', 'Any that qualifies'],
            ...(images.value ?? []).map((each) => [each.urn, imageText(each)] as const),
          ]}
          value={image?.urn ?? ''}
        />
        <Choice
          name="silicon"
          label="Silicon"
          options={[
            ['', 'Any'],
            ['SNP', silicon.SNP],
            ['TDX', silicon.TDX],
          ]}
          value={query.get('silicon') ?? ''}
        />
        <Choice
          name="cores"
          label="Cores, at least"
          options={['', '2', '4', '8', '16', '32', '64', '96'].map((n) => [n, n || 'Any'])}
          value={query.get('cores') ?? ''}
        />
        <label>
          Name
          <input value={query.get('name') ?? ''} onInput={(event) => setQuery({ name: event.currentTarget.value })} />
        </label>
      </div>
      {error !== undefined && <Problem error={error} what="The sizes could not be read." />}
      {!ready && error === undefined && <p class="quiet">Reading …</p>}
      {ready && (
        <>
          {hosts.value === undefined && (
            <p class="quiet">
              You may not see the hosts, so nothing is said of the silicon that they have. The role Reader shows them.
            </p>
          )}
          <Group title="You can have it" sizes={good} region={region} empty="No available size passes these filters." />
          <Group
            title="Not here, because …"
            sizes={bad}
            region={region}
            empty="Every size that passes these filters is available."
          />
          {shown.length < all.length && (
            <p class="quiet">
              {all.length - shown.length} sizes do not pass the filters above.{' '}
              <button
                type="button"
                class="plain"
                onClick={() => setQuery({ silicon: '', cores: '', name: '', zone: '' })}
              >
                Show all {all.length}
              </button>
            </p>
          )}
        </>
      )}
    </>
  )
}

/** Requests by name or number are filters; unavailability is not. */
function passes({ size }: Judged, query: URLSearchParams): boolean {
  const name = (query.get('name') ?? '').toLowerCase()
  const tee = query.get('silicon') ?? ''
  return (
    size.name.toLowerCase().includes(name) &&
    (tee === '' || size.tee === tee) &&
    size.vCPUs >= Number(query.get('cores') ?? 0)
  )
}

function Choice(o: { name: string; label: string; options: readonly (readonly [string, string])[]; value: string }) {
  return (
    <label>
      {o.label}
      <select value={o.value} onChange={(event) => setQuery({ [o.name]: event.currentTarget.value })}>
        {o.options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}

function Group(o: { title: string; sizes: readonly Judged[]; region: string; empty: string }) {
  return (
    <section class="stack">
      <h2>
        {o.title} <span class="count">{o.sizes.length}</span>
      </h2>
      {o.sizes.length === 0 ? (
        <p class="quiet">{o.empty}</p>
      ) : (
        <Table
          label={o.title}
          rows={o.sizes}
          keyOf={({ size }) => size.name}
          columns={[
            { name: 'Size', kind: 'head', cell: ({ size }) => size.name.replace(/^Standard_/, '') },
            { name: 'Cores', kind: 'number', cell: ({ size }) => size.vCPUs },
            { name: 'Memory', kind: 'number', cell: ({ size }) => `${size.memoryGiB} GiB` },
            { name: 'Silicon', cell: ({ size }) => (size.tee === undefined ? 'none' : silicon[size.tee]) },
            {
              name: 'Temporary disk',
              kind: 'number',
              cell: ({ size }) => (size.tempGiB === 0 ? 'none' : `${size.tempGiB} GiB`),
            },
            { name: 'Data disks', kind: 'number', cell: ({ size }) => size.dataDisks },
            { name: 'Zones', cell: ({ size }) => size.zones.join(', ') || 'none' },
            {
              name: 'What to do',
              kind: 'do',
              cell: ({ size, reasons }) =>
                reasons.length === 0 ? (
                  <a href={`/machines/new?region=${o.region}&size=${size.name}`}>
                    Make one<span class="visually-hidden"> of {size.name}</span>
                  </a>
                ) : (
                  reasons.map((reason, index) => <Why key={index} reason={reason} region={o.region} />)
                ),
            },
          ]}
        />
      )}
    </section>
  )
}
