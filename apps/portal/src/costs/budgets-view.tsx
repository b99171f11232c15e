import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { groupOfBudget, readBudgets, shareOf, spentOf } from './budget.ts'

/** Budgets with what is spent, and their alerts. */
export function BudgetsView() {
  const { value, error } = useLive('budgets', readBudgets, () => 60_000)
  return (
    <section class="stack">
      <h2>Budgets</h2>
      {error !== undefined && <Problem error={error} what="The budgets could not be read." />}
      {value !== undefined && value.alerts.length > 0 && (
        <ul class="steps" aria-label="Alerts of budgets">
          {value.alerts.map(({ name, properties }) => (
            <li key={name}>
              <span class="badge bad">Reached</span> <bdi>{properties.description}</bdi>{' '}
              <span class="quiet">{momentOf(properties.creationTime)}</span>
            </li>
          ))}
        </ul>
      )}
      {value?.budgets.length === 0 && (
        <p class="quiet">
          None. A budget says when so much is spent: <code>az consumption budget create</code>
        </p>
      )}
      {value !== undefined && value.budgets.length > 0 && (
        <Table
          label="Budgets"
          rows={value.budgets}
          keyOf={({ id }) => id}
          columns={[
            { name: 'Budget', kind: 'head', cell: ({ name }) => <bdi>{name}</bdi> },
            {
              name: 'Of',
              cell: (budget) => {
                const group = groupOfBudget(budget)
                return group === undefined ? 'the subscription' : <bdi>{group}</bdi>
              },
            },
            { name: 'Period', cell: ({ properties }) => properties.timeGrain },
            { name: 'Spent', kind: 'number', cell: spentOf },
            { name: 'Percent', kind: 'number', cell: shareOf },
          ]}
        />
      )}
    </section>
  )
}
