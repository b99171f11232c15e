import type { ErrorDetail } from '@strongroom/contract'
import type { Logger } from '../log/logger.ts'

/** A step's context. */
export interface StepContext<P> {
  operationId: string
  params: P
  /** Results of earlier steps, merged in order and persisted after each. JSON only, and no secrets. */
  data: Record<string, unknown>
  /** Aborted when the operation is cancelled, its lease is lost, or the runner stops. */
  signal: AbortSignal
  log: Logger
  /** Shown with the step; persisted soon after. */
  progress(message: string): void
}

export interface SagaStep<P> {
  name: string
  /** May be called again after a crash at any point, so it must be idempotent. */
  do(c: StepContext<P>): Promise<Record<string, unknown> | void>
  /** Called only if `do` completed; idempotent too. */
  undo?(c: StepContext<P>): Promise<void>
}

export type OperationStatus = 'Running' | 'Undoing' | 'Succeeded' | 'Failed' | 'Canceled'
export type StepState = 'Pending' | 'Running' | 'Done' | 'Undone' | 'Failed'

export interface SagaDefinition<P> {
  kind: string
  steps: SagaStep<P>[]
  /** Called before the final status is recorded, and again after a crash in between, so it must be idempotent. */
  onFinished?(c: {
    operationId: string
    params: P
    data: Record<string, unknown>
    status: 'Succeeded' | 'Failed' | 'Canceled'
    error?: ErrorDetail
  }): Promise<void>
}

export interface OperationStep {
  name: string
  state: StepState
  startedAt?: string
  endedAt?: string
  message?: string
}

/** An operation waits (all steps Pending) while an earlier one of the same resource is unfinished. */
export interface Operation {
  id: string
  kind: string
  resourceId: string
  status: OperationStatus
  startedAt: string
  endedAt?: string
  error?: ErrorDetail
  steps: OperationStep[]
}
