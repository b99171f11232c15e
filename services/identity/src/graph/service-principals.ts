import type { FastifyInstance } from '@strongroom/platform'
import type { Principal } from '../directory/principals.ts'
import { assertRemovable, fits, missing, objectOf, readFilter, text, type GraphOptions } from './directory.ts'
import { servicePrincipalView } from './views.ts'

const base = '/v1.0/servicePrincipals'

/** Every application has its principal from the start, so creating it again returns it. */
export function addServicePrincipals(app: FastifyInstance, o: GraphOptions): void {
  const find = async (id: string): Promise<Principal> => {
    const appId = /^appId='([^']+)'$/i.exec(id)?.[1]
    const found = appId === undefined ? await o.principals.byObjectId(id) : await o.principals.byAppId(appId)
    if (found === undefined) throw missing(id)
    return found
  }
  app.get(base, async (request) => {
    const filter = readFilter(request)
    return { value: (await o.principals.list()).map(servicePrincipalView).filter((each) => fits(filter, each)) }
  })
  app.post(base, async (request, reply) => {
    const appId = text(objectOf(request.body), 'appId', 64)
    const principal = await o.principals.byAppId(appId)
    if (principal === undefined) throw missing(appId)
    return await reply.code(201).send(servicePrincipalView(principal))
  })
  app.get<{ Params: { id: string } }>(`${base}/:id`, async (request) =>
    servicePrincipalView(await find(request.params.id)),
  )
  app.delete<{ Params: { id: string } }>(`${base}/:id`, async (request, reply) => {
    const principal = await find(request.params.id)
    assertRemovable(o, principal)
    await o.principals.remove(principal.appId)
    return await reply.code(204).send()
  })
}
