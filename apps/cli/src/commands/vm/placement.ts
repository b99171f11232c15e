import type { HostLeft, PlacementExplanation, RuledOutReason, VmPlacement } from '@strongroom/contract'
import { apiVersions, type ArmClient } from '../../client/arm.ts'
import type { Result } from '../../core/output.ts'

const fetchPlacement = async (arm: ArmClient, path: string): Promise<VmPlacement> =>
  (await arm.send('POST', `${path}/retrievePlacement`, apiVersions.compute)).json as VmPlacement

/** Where a fleet's VM is, and why it moved; undefined for one on the server's own host. */
export async function fleetPlacement(
  arm: ArmClient,
  path: string,
): Promise<{ data: VmPlacement; lines: string[] } | undefined> {
  const data = await fetchPlacement(arm, path)
  if (data.epoch === 0) return undefined
  const where = data.host === undefined ? 'no host now' : `host ${data.host}, by the resource manager`
  const line = `Placement ${data.epoch}: ${where}.${data.why?.moved === undefined ? '' : ` ${movedLine(data.why.moved)}`}`
  return { data, lines: [line] }
}

const movedLine = ({ host, reason, at }: HostLeft): string =>
  reason === 'lost' ? `It was on ${host}, which was lost at ${at}.` : `It was on ${host}, which was drained at ${at}.`

/** Which host carries a VM, and why. */
export async function shownPlacement(arm: ArmClient, path: string): Promise<Result> {
  const data = await fetchPlacement(arm, path)
  const where = data.host === undefined ? 'No host currently carries it.' : `On ${data.host}`
  const since = data.placedAt === undefined ? '' : `, epoch ${data.epoch}, since ${data.placedAt}`
  return { data, lines: [`${where}${since}`, ...(data.why === undefined ? [] : reasons(data.why))] }
}

const because: Record<RuledOutReason, string> = {
  invited: 'had not joined',
  lost: 'had not called within the lease',
  draining: 'was being drained',
  region: 'another region',
  zone: 'another zone',
  silicon: 'no such processor',
  cores: 'no room for its cores',
  memory: 'no room for its memory',
}

/** What the host was chosen by, in order. */
function chosenLines({ need, chosen }: PlacementExplanation): string[] {
  if (chosen === undefined) return []
  const { zone, spread } = chosen
  const inZone = zone === undefined ? '' : `, in the least reserved zone (${zone})`
  const cores = `${chosen.reservedVCPUs} of ${chosen.vCPUs} cores`
  if (need.spread === undefined || spread === undefined)
    return [`  chosen: the least reserved host that could carry it${inZone}: ${cores}`]
  const set = need.spread.id.split('/').at(-1)
  const others = spread.others === 0 ? 'none' : String(spread.others)
  return [
    `  chosen: of the hosts with the fewest VMs of ${set} (${others}), the least reserved that could carry it${inZone}: ${cores}`,
    `  fault domain ${spread.faultDomain}, update domain ${spread.updateDomain} of ${set}`,
  ]
}

export function reasons(why: PlacementExplanation): string[] {
  const { considered, fitting, ruledOut, moved } = why
  return [
    `  hosts: ${considered}, ${fitting} of which could carry it`,
    ...chosenLines(why),
    ...(moved === undefined ? [] : [`  ${movedLine(moved)}`]),
    ...ruledOut.map(
      ({ reason, count, hosts }) =>
        `  ${count} could not, ${because[reason]}: ${hosts.join(', ')}${hosts.length < count ? ', …' : ''}`,
    ),
  ]
}
