import type { ArmOperation } from '@strongroom/contract'
import { useState } from 'preact/hooks'
import { duration, momentOf } from '../ui/format.ts'
import { useLive, type Live } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { WireError } from '../wire/wire-error.ts'
import { readOperation, wordOf, type ActivityEvent } from './events.ts'
import { StepTimeline } from './step-timeline.tsx'

const often = 500
const rarely = 60_000
const shownBefore = 20

/** A machine's operations: the last one with live steps, and earlier ones. */
export function Operations({ events, location }: { events: Live<ActivityEvent[]>; location: string }) {
  const [last, ...before] = (events.value ?? []).filter(({ operationId }) => operationId !== undefined)
  if (last === undefined) return null
  return (
    <section class="stack" aria-label="Operations">
      <h2>Last operation</h2>
      <Operation key={last.operationId} event={last} location={location} />
      {before.length > 0 && (
        <details>
          <summary>Earlier operations</summary>
          <div class="stack">
            {before.slice(0, shownBefore).map((event) => (
              <Earlier key={event.operationId} event={event} location={location} />
            ))}
          </div>
        </details>
      )}
    </section>
  )
}

/** Loaded on demand. */
function Earlier({ event, location }: { event: ActivityEvent; location: string }) {
  const [open, setOpen] = useState(false)
  return (
    <details onToggle={(toggled) => setOpen(toggled.currentTarget.open)}>
      <summary>
        <bdi>{wordOf(event)}</bdi>, {momentOf(event.eventTimestamp)}
      </summary>
      {open && <Operation event={event} location={location} />}
    </details>
  )
}

const kinds: Record<ArmOperation['status'], string> = {
  InProgress: 'moving',
  Succeeded: 'good',
  Failed: 'bad',
  Canceled: 'off',
}

function Operation({ event, location }: { event: ActivityEvent; location: string }) {
  const id = event.operationId ?? ''
  const live = useLive(
    `operation ${id}`,
    async (signal) => await readOperation(location, id, signal),
    ({ status }) => (status === 'InProgress' ? often : rarely),
  )
  const operation = live.value
  if (operation === undefined)
    return live.error === undefined ? null : (
      <Problem error={live.error} what="The steps of the operation could not be read." />
    )
  const { status, startTime, endTime, error, properties } = operation
  return (
    <>
      <p>
        <bdi>{wordOf(event)}</bdi> <span class={`badge ${kinds[status]}`}>{status}</span>{' '}
        <span class="quiet">
          {momentOf(startTime)}
          {endTime !== undefined && `, ${duration(Date.parse(endTime) - Date.parse(startTime))}`}
        </span>
      </p>
      <StepTimeline steps={properties.steps} />
      {error !== undefined && <Problem error={new WireError(409, error)} />}
    </>
  )
}
