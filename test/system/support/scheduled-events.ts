import type { TestInstallation } from './installation.ts'

interface ScheduledEvents {
  DocumentIncarnation: number
  Events: { EventId: string; EventType: string; EventStatus: string; Resources: string[]; NotBefore: string }[]
}

/** What a guest reads at its metadata endpoint, like every program in it. @param approve an event's id */
export async function scheduledEvents(
  installation: TestInstallation,
  name: string,
  approve?: string,
): Promise<ScheduledEvents['Events']> {
  const body = JSON.stringify({ StartRequests: [{ EventId: approve }] })
  const data = approve === undefined ? '' : ` --data '${body}'`
  const url = 'http://169.254.169.254/metadata/scheduledevents?api-version=2020-07-01'
  const { stdout } = await installation.inGuest(name, `curl -s --noproxy '*' -H Metadata:true${data} '${url}'`)
  return (JSON.parse(stdout) as Partial<ScheduledEvents>).Events ?? []
}
