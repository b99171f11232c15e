import type { FastifyInstance } from '@strongroom/platform'
import type { Group } from '../directory/directory.ts'
import { fits, invalid, missing, objectOf, readFilter, text, type GraphOptions } from './directory.ts'
import { directoryObjects } from './directory-objects.ts'
import { groupView } from './views.ts'

const base = '/v1.0/groups'

/** Security groups and their members: people, service principals and other groups. */
export function addGroups(app: FastifyInstance, o: GraphOptions): void {
  const find = async (id: string): Promise<Group> => {
    const found = await o.directory.group(id)
    if (found === undefined) throw missing(id)
    return found
  }
  app.get(base, async (request) => {
    const filter = readFilter(request)
    return { value: (await o.directory.groups()).map(groupView).filter((each) => fits(filter, each)) }
  })
  app.post(base, async (request, reply) => {
    const body = objectOf(request.body)
    if (body['mailEnabled'] === true || body['securityEnabled'] === false)
      throw invalid('securityEnabled', 'a security group without mail', 'another kind of group')
    const group = await o.directory.addGroup({
      display_name: text(body, 'displayName', 256),
      mail_nickname: text(body, 'mailNickname', 64),
      description: body['description'] === undefined ? null : text(body, 'description', 1024),
    })
    return await reply.code(201).send(groupView(group))
  })
  app.get<{ Params: { id: string } }>(`${base}/:id`, async (request) => groupView(await find(request.params.id)))
  app.delete<{ Params: { id: string } }>(`${base}/:id`, async (request, reply) => {
    await o.directory.removeGroup((await find(request.params.id)).id)
    return await reply.code(204).send()
  })
  app.post<{ Params: { id: string } }>(`${base}/:id/getMemberGroups`, async (request) => ({
    value: await o.directory.groupsOf((await find(request.params.id)).id),
  }))
  app.get<{ Params: { id: string } }>(`${base}/:id/members`, async (request) => {
    const members = await o.directory.members((await find(request.params.id)).id)
    return { value: await directoryObjects(o, members) }
  })
  app.post<{ Params: { id: string } }>(`${base}/:id/members/$ref`, async (request, reply) => {
    const group = await find(request.params.id)
    const reference = text(objectOf(request.body), '@odata.id', 512)
    const memberId = reference.split('/').at(-1) ?? ''
    const [member] = await directoryObjects(o, [memberId])
    if (member === undefined) throw missing(memberId)
    if (member['id'] === group.id) throw invalid('members', 'an object other than the group itself', group.id)
    if (!(await o.directory.addMember(group.id, String(member['id']))))
      throw invalid('members', 'an object that is not yet a member', 'an existing reference')
    return await reply.code(204).send()
  })
  app.delete<{ Params: { id: string; member: string } }>(`${base}/:id/members/:member/$ref`, async (request, reply) => {
    const group = await find(request.params.id)
    if (!(await o.directory.removeMember(group.id, request.params.member))) throw missing(request.params.member)
    return await reply.code(204).send()
  })
}
