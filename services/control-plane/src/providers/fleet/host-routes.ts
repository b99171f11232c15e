import { createHash, X509Certificate } from 'node:crypto'
import { formatJoinCode, localHostName, type AddedHost, type HostView, type ShownHost } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { ok, param, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { subscriptionPath, type Plane } from '../../types/plane.ts'
import { hostView } from '../../fleet/fleet-host.ts'
import { everyTee, readHost, readNotice } from './host-request.ts'

const hosts = `${subscriptionPath}/providers/Strongroom.Fleet/hosts`
const one = `${hosts}/{name}`
const action = (verb: string): string => `Strongroom.Fleet/hosts/${verb}`

/** The operator's side of the fleet. */
export function fleetRoutes(plane: Plane): Route[] {
  const nameOf = (request: ArmRequest): string => param(request, 'name').toLowerCase()
  /** The server as a host: with its silicon while it still gets new VMs. */
  const local = async (): Promise<HostView> => {
    const carries = plane.fleet.compute === undefined || !(await plane.fleet.registry.hasJoined())
    return { name: localHostName, ...(carries && { tees: [...everyTee] }), labels: {}, state: 'Ready' }
  }
  const show = async (name: string): Promise<ShownHost> => {
    if (name === localHostName) return await local()
    const host = await plane.fleet.registry.get(name)
    return { ...hostView(host), carries: (await plane.fleet.compute?.views.carriedBy(host)) ?? [] }
  }
  const drain =
    (draining: boolean) =>
    async (request: ArmRequest): Promise<ArmReply> => {
      const name = nameOf(request)
      const noticeSeconds = draining ? readNotice(request.body) : 0
      const host = draining && name !== localHostName ? await plane.fleet.registry.get(name) : undefined
      const moves = plane.fleet.compute?.draining
      if (host !== undefined) await moves?.check(host)
      await plane.fleet.registry.setDraining(name, draining, noticeSeconds)
      if (host !== undefined) await moves?.hasten(host, noticeSeconds)
      return ok(await show(nameOf(request)))
    }
  return [
    route.get(hosts, action('read'), async () =>
      ok({ value: [await local(), ...(await plane.fleet.registry.list()).map(hostView)] }),
    ),
    route.get(one, action('read'), async (request) => ok(await show(nameOf(request)))),
    route.put(one, action('write'), async (request) => ({
      status: 201,
      body: await add(plane, nameOf(request), request.body),
    })),
    route.post(`${one}/drain`, action('drain/action'), drain(true)),
    route.post(`${one}/resume`, action('resume/action'), drain(false)),
    route.delete(one, action('delete'), async (request) => {
      await plane.fleet.registry.remove(nameOf(request))
      return { status: 204 }
    }),
  ]
}

async function add(plane: Plane, name: string, body: unknown): Promise<AddedHost> {
  const { registry, served } = plane.fleet
  const wanted = readHost(name, body)
  if (served === undefined)
    throw new ServiceError({
      code: 'FleetNotServed',
      message: 'This server does not listen for hosts, so none can join.',
      expected: 'a server with --fleet-address',
      remedy: 'Restart it with --fleet-address ADDRESS:PORT, an address that hosts can reach.',
    })
  const { host, secret, until } = await registry.add(wanted)
  const authority = createHash('sha256').update(new X509Certificate(served.authority.caPem).raw).digest('base64url')
  return {
    ...hostView(host),
    joinCode: formatJoinCode({ name, authority, secret }),
    joinUntil: until,
    address: served.address,
  }
}
