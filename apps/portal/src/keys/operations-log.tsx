import { session } from '../wire/session.ts'
import { useState } from 'preact/hooks'
import { Freshness } from '../ui/freshness.tsx'
import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Facts } from '../ui/facts.tsx'
import { Table } from '../ui/table.tsx'
import { headPlace, type Distrust } from './log-head.ts'
import type { LogReport, ShownEntry } from './log-verify.ts'

const shownEntries = 50

/** Operations on a vault's keys, each verified to be in the log that the vault signed, and the log to continue what this browser saw. */
export function OperationsLog({ vault }: { vault: string }) {
  const who = session.value
  const tenant = who.state === 'in' ? who.person.tenantId : ''
  const [whole, setWhole] = useState(false)
  const live = useLive(
    `log ${vault} ${whole}`,
    async (signal) => {
      const { verifyLog } = await import('./log-verify.ts')
      return await verifyLog({ vault, tenant, entries: shownEntries, whole, signal })
    },
    () => 15_000,
  )
  const report = live.value
  return (
    <section class="stack" aria-label="Operations log">
      <div class="head">
        <h2>Operations log</h2>
        <Freshness live={live} />
        {report?.state === 'verified' && !whole && (
          <button type="button" class="end" onClick={() => setWhole(true)}>
            Verify every entry
          </button>
        )}
      </div>
      {live.error !== undefined && <Problem error={live.error} what="The log could not be read." />}
      {report === undefined && live.error === undefined && (
        <p class="quiet" role="status">
          Reading the log, verifying it here …
        </p>
      )}
      {report?.state === 'distrusted' && <Shout distrust={report.distrust} place={headPlace(tenant, vault)} />}
      {report?.state === 'verified' && <Verified report={report} />}
    </section>
  )
}

/** No entry of such a log is shown: it is not what the vault signed for. */
function Shout({ distrust, place }: { distrust: Distrust; place: string }) {
  const { code, message, expected, found } = distrust
  return (
    <div class="problem shout" role="alert">
      <p class="problem-what">Do not trust this log.</p>
      <p>
        <bdi>{message}</bdi>
      </p>
      <Facts
        look="plain"
        facts={[
          ['Expected', expected],
          ['Found', found],
          [
            'What to do',
            'Take the vault out of service, keep its store as evidence, and restore it from a backup whose log verifies.',
          ],
        ]}
      />
      <p>
        What this browser saw before stays kept (<code>{place}</code>): this goes on to be said until the log is whole
        again.
      </p>
      <p class="code">{code}</p>
    </div>
  )
}

function Verified({ report }: { report: LogReport & { state: 'verified' } }) {
  const { size, before, entries, whole, key, root } = report
  return (
    <>
      <p class="verdict good">
        <span>
          <span aria-hidden="true">✓ </span>
          {size} entries, as the vault signed for them.{' '}
          {before === undefined
            ? 'This browser sees this log for the first time: its head is saved from now on.'
            : before === size
              ? `Nothing was added since this browser last saw it.`
              : `It continues the ${before} entries that this browser last saw.`}
        </span>
      </p>
      <p class="quiet">
        {whole
          ? 'Every entry was read and hashed in this page.'
          : `Each of the ${entries.length} entries below is proven to be in it, in this page.`}
      </p>
      <Facts
        look="said"
        label="Head of the log"
        facts={[
          ['Root', root],
          ['Key of the log', key],
        ]}
      />
      {entries.length > 0 && <Entries entries={entries} />}
    </>
  )
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

const Entries = ({ entries }: { entries: readonly ShownEntry[] }) => (
  <Table
    label="Entries of the log"
    rows={entries}
    keyOf={({ index }) => index}
    columns={[
      { name: 'Entry', kind: 'number', cell: ({ index }) => index },
      { name: 'When', cell: ({ entry }) => momentOf(text(entry['at'])) },
      { name: 'What', cell: ({ entry }) => <bdi>{text(entry['operation']) || text(entry['text'])}</bdi> },
      {
        name: 'Of',
        cell: ({ entry }) => (
          <bdi title={text(entry['keyVersion'])}>{text(entry['keyName']) || text(entry['subject'])}</bdi>
        ),
      },
      {
        name: 'Verdict',
        cell: ({ entry }) => (
          <span class={entry['verdict'] === 'refused' ? 'badge bad' : 'badge off'}>
            <bdi>{[text(entry['verdict']), text(entry['code'])].join(' ')}</bdi>
          </span>
        ),
      },
      {
        name: 'Who',
        cell: ({ entry }) => (
          <bdi title={text(entry['appId'])}>
            {text(entry['objectId'])}
            {typeof entry['via'] === 'object' && entry['via'] !== null ? ' by the control plane' : ''}
          </bdi>
        ),
      },
    ]}
  />
)
