import type { ArmOperation } from '@strongroom/contract'
import { get, subscriptionPath, versions } from '../wire/arm.ts'

/** An activity-log event, in Azure Monitor's form. */
export interface ActivityEvent {
  eventDataId: string
  eventTimestamp: string
  caller: string
  /** The operation that continued after the answer; its steps can be read. */
  operationId?: string
  operationName: { value: string }
  status: { value: string }
  subStatus: { value: string }
}

export const eventDays = 30
const shownEvents = 100

/** Requests on a resource with their callers, including refusals, newest first. @throws WireError */
export async function readEvents(id: string, signal: AbortSignal): Promise<ActivityEvent[]> {
  const since = new Date(Date.now() - eventDays * 86_400_000).toISOString()
  const filter = encodeURIComponent(`eventTimestamp ge '${since}' and resourceUri eq '${id}'`)
  const path = `${await subscriptionPath()}/providers/Microsoft.Insights/eventtypes/management/values?$top=${shownEvents}&$filter=${filter}`
  return (await get<{ value: ActivityEvent[] }>(path, versions.insights, signal)).value
}

/** An operation with its steps: the resource manager's, then the host's. @throws WireError */
export async function readOperation(location: string, id: string, signal: AbortSignal): Promise<ArmOperation> {
  const path =
    `${await subscriptionPath()}/providers/Microsoft.Compute/locations/${encodeURIComponent(location)}/operations/` +
    `${encodeURIComponent(id)}`
  return await get<ArmOperation>(path, versions.compute, signal)
}

const words: Record<string, string> = {
  start: 'Start',
  restart: 'Restart',
  powerOff: 'Stop',
  deallocate: 'Deallocate',
  delete: 'Delete',
}

/** The request in a word: the last part of its action. A PUT that creates something returns 201. */
export function wordOf({ operationName, subStatus }: ActivityEvent): string {
  const parts = operationName.value.split('/')
  const verb = (parts.at(-1) === 'action' ? parts.at(-2) : parts.at(-1)) ?? ''
  if (verb === 'write') return subStatus.value === '201' ? 'Make' : 'Change'
  return words[verb] ?? verb
}
