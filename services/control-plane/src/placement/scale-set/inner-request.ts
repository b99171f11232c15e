import { setTimeout as sleep } from 'node:timers/promises'
import type { Caller } from '@strongroom/platform'
import { operationError, operationIdOf } from '../../arm/operations.ts'
import type { Method } from '../../arm/request.ts'
import type { Plane } from '../../types/plane.ts'

/**
 * One request for an instance of a set, as the set's writer: roles, locks and the activity log apply as to any other.
 * @returns the operation in progress
 * @throws ServiceError if it is refused
 */
export async function ask(
  plane: Plane,
  o: {
    caller: Caller
    correlationId: string
    method: Method
    path: string
    body?: unknown
    query?: Record<string, string>
  },
): Promise<string | undefined> {
  const { query = {}, body, ...rest } = o
  const reply = await plane.dispatcher.answer({
    ...rest,
    body,
    origin: '',
    params: {},
    query: { 'api-version': '2024-11-01', ...query },
    headers: {},
  })
  return operationIdOf(reply)
}

/** Waits for an operation. @throws ServiceError with its error */
export async function follow(plane: Plane, operationId: string | undefined, signal: AbortSignal): Promise<void> {
  if (operationId === undefined) return
  for (;;) {
    signal.throwIfAborted()
    const operation = await plane.runner.get(operationId)
    if (operation === undefined) return
    if (operation.endedAt !== undefined) {
      if (operation.status === 'Succeeded') return
      throw operationError(operation)
    }
    await sleep(plane.pollMs, undefined, { signal })
  }
}
