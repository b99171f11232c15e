import type { FastifyInstance } from '@strongroom/platform'
import { objectOf, type GraphOptions } from './directory.ts'
import { groupView, servicePrincipalView, userView } from './views.ts'

/** Graph's limit per request. */
const most = 1000

/** Whatever has one of the ids: people, groups and service principals. */
export async function directoryObjects(o: GraphOptions, ids: readonly string[]): Promise<Record<string, unknown>[]> {
  const wanted = new Set(ids.map((id) => id.toLowerCase()))
  const all = [
    ...(await o.directory.users()).map(userView),
    ...(await o.directory.groups()).map(groupView),
    ...(await o.principals.list()).map(servicePrincipalView),
  ]
  return all.filter(({ id }) => wanted.has(String(id)))
}

const textsOf = (value: unknown): string[] =>
  (Array.isArray(value) ? value : []).slice(0, most).filter((each): each is string => typeof each === 'string')

/** Clients' lookups of ids of unknown kind. */
export function addDirectoryObjects(app: FastifyInstance, o: GraphOptions): void {
  app.post('/v1.0/directoryObjects/getByIds', async (request) => ({
    value: await directoryObjects(o, textsOf(objectOf(request.body)['ids'])),
  }))
  app.post<{ Params: { id: string } }>('/v1.0/directoryObjects/:id/checkMemberGroups', async (request) => {
    const asked = textsOf(objectOf(request.body)['groupIds']).map((id) => id.toLowerCase())
    const groups = new Set(await o.directory.groupsOf(request.params.id))
    return { value: asked.filter((id) => groups.has(id)) }
  })
}
