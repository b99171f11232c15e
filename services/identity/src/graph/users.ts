import { domain } from '@strongroom/contract'
import type { FastifyInstance } from '@strongroom/platform'
import type { User } from '../directory/directory.ts'
import { fits, invalid, missing, objectOf, readFilter, text, type GraphOptions } from './directory.ts'
import { userView } from './views.ts'

const base = '/v1.0/users'
const nameForm = new RegExp(String.raw`^[A-Za-z0-9._'-]{1,64}@${domain.replaceAll('.', String.raw`\.`)}$`, 'i')

/** People, for role assignments. A password sent with a new one is ignored: nobody signs in with one. */
export function addUsers(app: FastifyInstance, o: GraphOptions): void {
  const find = async (id: string): Promise<User> => {
    const found = await o.directory.user(id)
    if (found === undefined) throw missing(id)
    return found
  }
  app.get(base, async (request) => {
    const filter = readFilter(request)
    return { value: (await o.directory.users()).map(userView).filter((each) => fits(filter, each)) }
  })
  app.post(base, async (request, reply) => {
    const body = objectOf(request.body)
    const user_principal_name = text(body, 'userPrincipalName', 128)
    if (!nameForm.test(user_principal_name))
      throw invalid('userPrincipalName', `a name @${domain}`, user_principal_name.slice(0, 80))
    const user = await o.directory.addUser({
      user_principal_name,
      display_name: text(body, 'displayName', 256),
      mail_nickname: text(body, 'mailNickname', 64),
      enabled: body['accountEnabled'] !== false,
    })
    if (user === undefined)
      throw invalid('userPrincipalName', 'an unused name', `${user_principal_name}, which another object uses`)
    return await reply.code(201).send(userView(user))
  })
  app.get<{ Params: { id: string } }>(`${base}/:id`, async (request) => userView(await find(request.params.id)))
  app.patch<{ Params: { id: string } }>(`${base}/:id`, async (request, reply) => {
    const { id } = await find(request.params.id)
    const body = objectOf(request.body)
    const other = Object.keys(body).find((name) => name !== 'displayName')
    if (other !== undefined) throw invalid(other, 'only displayName, which can be changed', other)
    await o.directory.renameUser(id, text(body, 'displayName', 256))
    return await reply.code(204).send()
  })
  app.delete<{ Params: { id: string } }>(`${base}/:id`, async (request, reply) => {
    await o.directory.removeUser((await find(request.params.id)).id)
    return await reply.code(204).send()
  })
  app.post<{ Params: { id: string } }>(`${base}/:id/getMemberGroups`, async (request) => ({
    value: await o.directory.groupsOf((await find(request.params.id)).id),
  }))
}
