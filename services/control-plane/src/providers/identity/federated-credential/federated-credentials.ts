import type { FederatedCredential } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { route, type Route } from '../../../arm/router.ts'
import { groupPath, type Plane } from '../../../types/plane.ts'
import { userIdentityType } from '../../../types/references.ts'
import { assertMembers, part, type Members } from '../../../types/members.ts'
import type { ResourceType } from '../../../types/resource-type.ts'

const spelling = `${userIdentityType}/federatedIdentityCredentials`
const list = `${groupPath}/providers/${userIdentityType}/{identity}/federatedIdentityCredentials`
const nameForm = /^[A-Za-z0-9][A-Za-z0-9_-]{2,119}$/

const members: Members = part(
  { issuer: 'honoured', subject: 'honoured', audiences: 'honoured', claimsMatchingExpression: 'honoured' },
  { name: 'shown' },
)

/** Whose tokens sign in as a user-assigned identity. Stored by the directory; there are no rows here. */
export const federatedCredentials: ResourceType = { spelling, inParent: true, members, routes }

function routes(plane: Plane): Route[] {
  const path = `${list}/{name}`
  const put = async (request: ArmRequest): Promise<ArmReply> => await write(plane, request)
  return [
    route.get(list, `${spelling}/read`, async (request) => {
      const identity = await identityOf(plane, request)
      const all = await plane.identities.federatedCredentials(identity)
      return ok({ value: all.map((each) => view(identity, each)) })
    }),
    route.get(path, `${spelling}/read`, async (request) => {
      const identity = await identityOf(plane, request)
      const found = await find(plane, identity, param(request, 'name'))
      if (found !== undefined) return ok(view(identity, found))
      throw new ServiceError({
        code: 'NotFound',
        message: `The federated identity credential '${param(request, 'name').slice(0, 120)}' was not found.`,
        found: param(request, 'name').slice(0, 120),
        remedy: 'List them: az identity federated-credential list.',
      })
    }),
    route.put(path, `${spelling}/write`, put),
    route.delete(path, `${spelling}/delete`, async (request) => {
      const identity = await identityOf(plane, request)
      const found = await find(plane, identity, param(request, 'name'))
      if (found === undefined) return { status: 204 }
      await plane.identities.removeFederatedCredential({ resourceId: identity, name: found.name })
      return { status: 200 }
    }),
  ]
}

/** ARM id of the identity in a path. @throws ServiceError ResourceNotFound */
const identityOf = async (plane: Plane, request: ArmRequest): Promise<string> =>
  (await plane.resources.get(request.path.split('/').slice(0, 9).join('/'))).id

const find = async (plane: Plane, identity: string, name: string): Promise<FederatedCredential | undefined> =>
  (await plane.identities.federatedCredentials(identity)).find((each) => each.name.toLowerCase() === name.toLowerCase())

async function write(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const name = param(request, 'name')
  await assertMembers(members, request.body)
  const wanted = readCredential(request, name)
  const identity = await identityOf(plane, request)
  const before = await find(plane, identity, name)
  try {
    const written = await plane.identities.setFederatedCredential({ resourceId: identity, ...wanted })
    return { status: before === undefined ? 201 : 200, body: view(identity, written) }
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'Request_MultipleObjectsWithSameKeyValue') throw error
    throw new ServiceError({
      code: 'Conflict',
      message: 'Issuer and subject combination already exists for this Managed Identity.',
      target: 'properties.subject',
      expected: 'an issuer and subject that no other credential of the identity has',
      found: error.found ?? name,
      remedy: 'Delete the other one first, or use another subject.',
      cause: error,
    })
  }
}

function readCredential(request: ArmRequest, name: string): FederatedCredential {
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const wrong = (target: string, expected: string, found: string): void =>
    fields.invalid(target, `The value of parameter ${target} is invalid.`, { expected, found: found.slice(0, 120) })
  if (!nameForm.test(name)) wrong('name', '3 to 120 letters, digits, _ and -, beginning with a letter or digit', name)
  if (properties.has('claimsMatchingExpression'))
    fields.unsupported(properties.at('claimsMatchingExpression'), 'Claims are matched by the whole subject only.', {
      expected: 'a subject',
      found: 'an expression',
      remedy: 'Create a credential for each subject.',
    })
  const text = (member: 'issuer' | 'subject', form: RegExp, expected: string): string => {
    const value = properties.text(member) ?? ''
    if (!form.test(value)) wrong(properties.at(member), expected, value === '' ? 'nothing' : value)
    return value
  }
  const issuer = text(
    'issuer',
    /^https:\/\/[\x21-\x7e]{1,592}$/,
    'the https address of an issuer, as its tokens name it',
  )
  const subject = text('subject', /^[\x20-\x7e]{1,600}$/, 'a text of 1 to 600 printable characters of ASCII')
  const audiences = properties.texts('audiences', 20)
  const [audience = ''] = audiences
  if (audiences.length !== 1 || !/^[\x20-\x7e]{1,600}$/.test(audience))
    wrong(properties.at('audiences'), 'a list of one string', `${audiences.length} members`)
  fields.assertSound()
  return { name, issuer, subject, audience }
}

const view = (identity: string, { name, issuer, subject, audience }: FederatedCredential): Record<string, unknown> => ({
  id: `${identity}/federatedIdentityCredentials/${name}`,
  name,
  type: spelling,
  properties: { issuer, subject, audiences: [audience] },
})
