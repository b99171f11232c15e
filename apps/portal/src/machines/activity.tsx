import { session } from '../session/session.ts'
import { useLive } from '../ui/live.ts'
import { momentOf } from '../ui/format.ts'
import { Problem } from '../ui/problem.tsx'
import { Table } from '../ui/table.tsx'
import { list, subscriptionPath, versions } from '../wire/arm.ts'

interface Event {
  eventDataId: string
  eventTimestamp: string
  caller: string
  operationName: { value: string }
  status: { value: string }
  subStatus: { value: string }
}

const days = 30

async function readEvents(id: string, signal: AbortSignal): Promise<Event[]> {
  const since = new Date(Date.now() - days * 86_400_000).toISOString()
  const filter = encodeURIComponent(`eventTimestamp ge '${since}' and resourceUri eq '${id}'`)
  const path = `${await subscriptionPath()}/providers/Microsoft.Insights/eventtypes/management/values?$filter=${filter}`
  return (await list<Event>(path, versions.insights, signal)).slice(0, 100)
}

/** Who asked what of a resource, refusals among it. */
export function Activity({ id }: { id: string }) {
  const who = session.value
  const me = who.state === 'in' ? who.person.objectId : undefined
  const live = useLive(`activity ${id}`, async (signal) => await readEvents(id, signal))
  return (
    <section class="stack">
      <h2>Activity</h2>
      {live.error !== undefined && live.value === undefined && <Problem error={live.error} />}
      {live.value?.length === 0 && <p class="quiet">Nothing in the last {days} days.</p>}
      {live.value !== undefined && live.value.length > 0 && (
        <Table
          label="Activity"
          rows={live.value}
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
