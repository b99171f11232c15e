import { visibleText } from '@strongroom/contract'
import type { OperationStep } from '../client/arm.ts'

export interface Progress {
  /** Begins a step; the returned function ends it and prints its time. */
  step(name: string): (note?: string) => void
  /** A step timed elsewhere. */
  done(name: string, seconds: number): void
  /** A callback for polled operations: prints each step once, when it ends. */
  onSteps(): (steps: OperationStep[]) => void
}

const format = (seconds: number): string => `${seconds.toFixed(1).padStart(6)} s`

/** One line per step with its time, on standard error. A terminal also shows the step in progress. */
export function createProgress(say: (line: string) => void, terminal?: { write(text: string): void }): Progress {
  const underWay = (name: string): void => terminal?.write(`\r\u001b[2K         … ${visibleText(name)}`)
  const clear = (): void => terminal?.write('\r\u001b[2K')
  const done = (name: string, seconds: number, note = ''): void => {
    clear()
    say(`${format(seconds)}  ${name}${note === '' ? '' : `: ${note}`}`)
  }
  return {
    done,
    step: (name) => {
      const started = performance.now()
      underWay(name)
      return (note) => done(name, (performance.now() - started) / 1000, note)
    },
    onSteps: () => {
      const printed = new Set<string>()
      return (steps) => {
        for (const [index, step] of steps.entries()) {
          const key = `${index}:${step.name}`
          if (printed.has(key)) continue
          if (step.startedAt !== undefined && step.endedAt !== undefined) {
            printed.add(key)
            const seconds = (Date.parse(step.endedAt) - Date.parse(step.startedAt)) / 1000
            done(step.name, seconds, step.state === 'Failed' || step.state === 'Undone' ? step.state.toLowerCase() : '')
          } else if (step.startedAt !== undefined) {
            underWay(step.message === undefined ? step.name : `${step.name}: ${step.message}`)
          }
        }
      }
    },
  }
}
