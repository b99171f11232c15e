import { session } from '../wire/session.ts'
import type { Live } from '../ui/live.ts'
import { momentOf } from '../ui/format.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { eventDays, type ActivityEvent } from './events.ts'

/** Requests on a resource with their callers, including refusals. */
export function Activity({ events }: { events: Live<ActivityEvent[]> }) {
  const who = session.value
  const me = who.state === 'in' ? who.person.objectId : undefined
  return (
    <section class="stack">
      <h2>Activity</h2>
      {events.error !== undefined && events.value === undefined && <Problem error={events.error} />}
      {events.value?.length === 0 && <p class="quiet">Nothing in the last {eventDays} days.</p>}
      {events.value !== undefined && events.value.length > 0 && (
        <Table
          label="Activity"
          rows={events.value}
          keyOf={({ eventDataId }) => eventDataId}
          columns={[
            { name: 'When', cell: ({ eventTimestamp }) => momentOf(eventTimestamp) },
            { name: 'What', cell: ({ operationName }) => <bdi>{operationName.value}</bdi> },
            {
              name: 'Outcome',
              cell: ({ status, subStatus }) => (
                <span class={status.value === 'Failed' ? 'badge bad' : 'badge off'}>
                  {status.value} {subStatus.value}
                </span>
              ),
            },
            { name: 'Who', cell: ({ caller }) => <bdi title={caller}>{caller === me ? 'you' : caller}</bdi> },
          ]}
        />
      )}
    </section>
  )
}
