import type { ArmOperationStep } from '@strongroom/contract'
import { useEffect, useState } from 'preact/hooks'
import { duration } from '../ui/format.ts'

/** Steps of an operation, each with its time and place in the whole, live. */
export function StepTimeline({ steps }: { steps: readonly ArmOperationStep[] }) {
  const now = useNow(steps.some(({ state }) => state === 'Running'))
  const ordered = steps.toSorted((a, b) => beginOf(a) - beginOf(b))
  const spans = ordered.map((step) => spanOf(step, now))
  const known = spans.filter((span) => span !== undefined)
  const from = Math.min(...known.map((span) => span.from))
  const whole = Math.max(1, ...known.map((span) => span.to - from))
  return (
    <ol class="steps timeline">
      {ordered.map((step, index) => {
        const span = spans[index]
        return (
          <li key={index}>
            <span class={`badge ${kinds[step.state]}`}>{step.state}</span>
            <bdi>{step.name}</bdi>
            <span class="time">{span === undefined ? '' : duration(span.to - span.from)}</span>
            <svg viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
              {span !== undefined && (
                <rect
                  x={((span.from - from) / whole) * 99}
                  width={Math.max(1, ((span.to - span.from) / whole) * 100)}
                  height="1"
                />
              )}
            </svg>
            {step.message !== undefined && <bdi class="quiet wide">{step.message}</bdi>}
          </li>
        )
      })}
    </ol>
  )
}

const kinds: Record<ArmOperationStep['state'], string> = {
  Pending: 'off',
  Running: 'moving',
  Done: 'good',
  Undone: 'off',
  Failed: 'bad',
}

/** The host's steps are within one of the resource manager's; those not begun come last. */
const beginOf = ({ startedAt }: ArmOperationStep): number =>
  startedAt === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(startedAt)

/** From its start to its end, or to now, in milliseconds; undefined if it has not begun. */
function spanOf({ startedAt, endedAt }: ArmOperationStep, now: number): { from: number; to: number } | undefined {
  if (startedAt === undefined) return undefined
  const from = Date.parse(startedAt)
  return { from, to: Math.max(from, endedAt === undefined ? now : Date.parse(endedAt)) }
}

/** The time, updated five times a second while something runs. */
function useNow(runs: boolean): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!runs) return undefined
    setNow(Date.now())
    const timer = setInterval(() => setNow(Date.now()), 200)
    return () => clearInterval(timer)
  }, [runs])
  return now
}
