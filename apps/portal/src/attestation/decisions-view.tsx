import { place, setQuery } from '../ui/router.ts'
import { vmIdOf } from '@strongroom/trust'
import type { Decided } from '../decisions/decisions.ts'
import { Facts, type Fact } from '../ui/facts.tsx'
import { momentOf } from '../ui/format.ts'
import { Table } from '../ui/table.tsx'

const kinds: Record<Decided['outcome'], string> = { Permitted: 'good', Denied: 'bad', Refused: 'bad' }

/** A provider's latest decisions, and reasons for denials. */
export function DecisionsView({ decisions }: { decisions: readonly Decided[] }) {
  const outcome = place.value.query.get('outcome') ?? ''
  const shown = decisions.filter((each) => outcome === '' || each.outcome === outcome)
  return (
    <section class="stack">
      <h2>
        Decisions <span class="count">{shown.length}</span>
      </h2>
      <label class="short">
        Outcome
        <select value={outcome} onChange={(event) => setQuery({ outcome: event.currentTarget.value })}>
          <option value="">All</option>
          {Object.keys(kinds).map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      {shown.length === 0 ? (
        <p class="quiet">None.</p>
      ) : (
        <Table
          label="Decisions"
          rows={shown}
          keyOf={({ id }) => id}
          columns={[
            { name: 'When', kind: 'head', cell: ({ at }) => momentOf(at) },
            { name: 'Evidence', cell: ({ type, simulated }) => `${type}${simulated ? ', simulated silicon' : ''}` },
            { name: 'Machine', cell: (each) => <bdi>{vmIdOf(each) ?? 'says none'}</bdi> },
            { name: 'Asked by', cell: ({ caller }) => <bdi>{caller}</bdi> },
            {
              name: 'Outcome',
              cell: (each) => <span class={`badge ${kinds[each.outcome]}`}>{each.outcome}</span>,
            },
            { name: 'Why', cell: (each) => <Why decision={each} /> },
          ]}
        />
      )}
    </section>
  )
}

/** Rules and checks that failed, with expected and found. */
function Why({ decision }: { decision: Decided }) {
  const { code, message, failedRules, failedChecks, shortcomings, advisories } = decision
  const facts: Fact[] = [
    ...failedRules.flatMap(({ rule, expected, found }): Fact[] => [
      ['Rule', rule],
      ['Expected', expected],
      ['Found', found],
    ]),
    ...failedChecks.flatMap(({ code: check, target, expected, found }): Fact[] => [
      ['Check', [check, target].filter((part) => part !== undefined).join(' of ')],
      ['Expected', expected],
      ['Found', found],
    ]),
    ...shortcomings.map((each): Fact => ['Not compliant', each.message]),
    ['Advisories', advisories.length === 0 ? undefined : advisories.join(', ')],
  ]
  const some = facts.some(([, value]) => value !== undefined)
  if (message === undefined && !some) return null
  return (
    <details>
      <summary>
        <bdi>{code ?? 'Remarks'}</bdi>
      </summary>
      {message !== undefined && (
        <p>
          <bdi>{message}</bdi>
        </p>
      )}
      <Facts look="said" facts={facts} />
    </details>
  )
}
