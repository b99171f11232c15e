import type { PlannedEvent } from '@strongroom/contract'
import { ServiceError, type FastifyInstance } from '@strongroom/platform'
import { requireVersion } from './metadata/metadata-versions.ts'

/** What the platform plans for a guest. */
export interface PlannedEvents {
  current(): PlannedEvent | undefined
  /** The guest has approved it: it need not wait. @throws ServiceError EventNotPlanned, or from the control plane */
  approve(id: string): Promise<void>
}

/** Azure's versions of the document, and the members that each added. */
const versions = ['2017-03-01', '2017-08-01', '2017-11-01', '2019-01-01', '2019-04-01', '2019-08-01', '2020-07-01']
const since = { Description: '2019-04-01', EventSource: '2019-08-01', DurationInSeconds: '2020-07-01' } as const

const description = 'The virtual machine is stopped and started on another host: its own is under maintenance.'

/** `/metadata/scheduledevents`: what is planned for this VM, which its guest may approve to begin earlier. */
export function scheduledEventRoutes(scope: FastifyInstance, o: { name: string; events?: PlannedEvents }): void {
  let incarnation = 1
  let shown = ''
  const current = (): PlannedEvent | undefined => {
    const event = o.events?.current()
    const now = event === undefined ? '' : JSON.stringify(event)
    if (now !== shown) incarnation += 1
    shown = now
    return event
  }
  scope.get('/scheduledevents', async (request) => {
    const version = requireVersion(request.query, versions)
    const event = current()
    const events = event === undefined ? [] : [documentOf(event, o.name, version)]
    return { DocumentIncarnation: incarnation, Events: events }
  })
  scope.post('/scheduledevents', async (request) => {
    requireVersion(request.query, versions)
    for (const id of startRequests(request.body)) {
      if (o.events === undefined || current()?.id !== id) throw noSuchEvent()
      await o.events.approve(id)
    }
    return {}
  })
}

function documentOf(event: PlannedEvent, name: string, version: string): Record<string, unknown> {
  const isStarted = event.status === 'Started'
  const all: Record<string, unknown> = {
    EventId: event.id,
    EventStatus: event.status,
    EventType: event.type,
    ResourceType: 'VirtualMachine',
    Resources: [name],
    // Azure's form of a time, and empty once it has begun.
    NotBefore: isStarted ? '' : new Date(event.notBefore).toUTCString(),
    Description: description,
    EventSource: 'Platform',
    // How long the guest is away is not known.
    DurationInSeconds: -1,
  }
  return Object.fromEntries(
    Object.entries(all).filter(([member]) => ((since as Record<string, string>)[member] ?? '') <= version),
  )
}

/** Of `{"StartRequests": [{"EventId": "…"}]}`, in any content type. @throws ServiceError BadRequest */
function startRequests(body: unknown): string[] {
  try {
    const { StartRequests: asked } = JSON.parse(String(body)) as { StartRequests?: unknown }
    if (!Array.isArray(asked) || asked.length === 0 || asked.length > 100) throw new TypeError('not a list')
    return asked.map((each: unknown) => {
      const id = (each as { EventId?: unknown } | null)?.EventId
      if (typeof id !== 'string') throw new TypeError('not an id')
      return id
    })
  } catch {
    throw new ServiceError({
      code: 'BadRequest',
      message: 'Bad request. The body names no events',
      target: 'StartRequests',
      expected: '{"StartRequests": [{"EventId": "…"}]}',
    })
  }
}

const noSuchEvent = (): ServiceError =>
  new ServiceError({ code: 'BadRequest', message: 'Bad request. There is no event of this id' })
