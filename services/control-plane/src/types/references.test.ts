import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resourceTypes } from '../resource-types.ts'
import { existingVm, location, referenceCases, type ReferenceCase } from '../testing/reference-cases.ts'
import { openSqlitePlane } from '../testing/sqlite-plane.ts'
import {
  group,
  makeNetwork,
  networkPath,
  subscriptionId,
  vmRequest,
  type Loose,
  type TestReply,
} from '../testing/test-plane.ts'

const theirs = `/subscriptions/${subscriptionId}/resourceGroups/theirs`

/** A contributor of one group, one who may read the other as well, and one who may nothing. */
const [stranger, reader, nobody] = ['d001', 'd002', 'd003'].map((end) => `0f2a9f3e-0000-4000-8000-00000000${end}`)

/** Pairs of `refersTo` of which no request reads an id: they only order deletions. */
const unread = ['disks', 'snapshots', 'images', 'galleries/images/versions']
  .map((type) => `Microsoft.Compute/${type} → Microsoft.Compute/diskEncryptionSets`)
  .concat('Microsoft.KeyVault/managedHSMs → Microsoft.ManagedIdentity/userAssignedIdentities')

let plane: Awaited<ReturnType<typeof openSqlitePlane>>
const present = 'present0'
const absent = 'absent00'

/** An id in a group, with the same name at every level. */
function idIn(scope: string, { names, part }: Pick<ReferenceCase, 'names' | 'part'>, name: string): string {
  const [namespace, ...kinds] = names.split('/')
  const named = kinds.map(
    (kind, index) => `${kind}/${index === kinds.length - 1 && kind === 'versions' ? '1.0.0' : name}`,
  )
  return [scope, 'providers', namespace, ...named, ...(part === undefined ? [] : [part])].join('/')
}

/** Only its row: what a request finds of it before it is refused. */
async function insert(one: Pick<ReferenceCase, 'names' | 'part'>): Promise<void> {
  const id = idIn(theirs, { names: one.names }, present)
  const part = {
    name: 'default',
    id: one.part === undefined ? '' : `${id}/${one.part}`,
    properties: { addressPrefix: '10.0.0.0/24' },
  }
  const properties = {
    subnets: [part],
    backendAddressPools: [part],
    principalId: 'p',
    clientId: 'c',
    attestUri: 'https://a',
  }
  const at = new Date().toISOString()
  const names = id.split('/')
  const row = {
    key: id.toLowerCase(),
    id,
    type: one.names.toLowerCase(),
    resource_group: 'theirs',
    name: names.at(-1)!,
    location,
    body: JSON.stringify({ properties }),
    internal: JSON.stringify({ managedBy: '' }),
    etag: randomUUID(),
    created_at: at,
    updated_at: at,
  }
  const db = plane.store.db as Loose
  await db.deleteFrom('resource').where('key', '=', row.key).execute()
  await db.insertInto('resource').values(row).execute()
}

const remove = async (one: Pick<ReferenceCase, 'names'>): Promise<void> => {
  const db = plane.store.db as Loose
  await db
    .deleteFrom('resource')
    .where('key', '=', idIn(theirs, { names: one.names }, present).toLowerCase())
    .execute()
}

const ask = async (one: ReferenceCase, id: string, as?: string): Promise<TestReply> => {
  const path = one.path ?? `${group}/providers/${one.type}/new`
  return await plane.send(one.method ?? 'PUT', path, one.body(id), as === undefined ? {} : { as })
}
/** What an answer tells, apart from the id that it repeats. */
const told = ({ status, body }: TestReply): unknown =>
  JSON.parse(JSON.stringify([status, body]).replaceAll(present, 'NAME').replaceAll(absent, 'NAME')) as unknown
const refusal = ({ status, body }: TestReply): unknown[] => [status, body?.error?.code]

beforeAll(async () => {
  plane = await openSqlitePlane({ compute: 'simulated' })
  await makeNetwork(plane, 'x')
  await makeNetwork(plane, 'mine')
  const put = async (path: string, body: object): Promise<void> => {
    const reply = await plane.send('PUT', path, body)
    if (reply.status >= 300) throw new Error(JSON.stringify(reply.body))
  }
  await put(theirs, { location })
  await plane.run('PUT', existingVm, vmRequest('mine'))
  const gallery = `${group}/providers/Microsoft.Compute/galleries/g`
  await plane.send('PUT', gallery, { location })
  await plane.send('PUT', `${gallery}/images/d`, {
    location,
    properties: {
      osType: 'Linux',
      osState: 'Generalized',
      hyperVGeneration: 'V2',
      identifier: { publisher: 'p', offer: 'o', sku: 's' },
      features: [{ name: 'SecurityType', value: 'ConfidentialVmSupported' }],
    },
  })
  for (const [principalId, scope, role] of [
    [stranger, group, 'b24988ac-6180-42a0-ab88-20f7382dd24c'],
    [reader, group, 'b24988ac-6180-42a0-ab88-20f7382dd24c'],
    [reader, theirs, 'acdd72a7-3385-48ef-bd42-f606fba81ae7'],
  ] as const) {
    const roleDefinitionId = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`
    const properties = { roleDefinitionId, principalId, principalType: 'ServicePrincipal' }
    await put(`${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, { properties })
  }
}, 60_000)
afterAll(async () => await plane.close())

describe('a reference to another resource', () => {
  it('is tried for every pair of types of which one refers to the other', () => {
    const pairs = resourceTypes.all.flatMap(({ spelling, refersTo = [] }) =>
      refersTo.map((other) => `${spelling} → ${other}`),
    )
    const tried = new Set(referenceCases.map(({ type, names }) => `${type} → ${names}`))
    expect(pairs.filter((pair) => !tried.has(pair)).toSorted()).toEqual(unread.toSorted())
  })

  describe.each(referenceCases.map((one) => [one.type.split('/').at(-1)!, one.what, one.names, one] as const))(
    'of %s to %s (%s)',
    (_type, _what, _names, one) => {
      it('tells nobody who may not use it whether there is one (attack W46)', async () => {
        await insert(one)
        const [there, not] = [
          await ask(one, idIn(theirs, one, present), stranger),
          await ask(one, idIn(theirs, one, absent), stranger),
        ]
        const nothing = await ask(one, idIn(theirs, one, present), nobody)
        const read = one.reads === true ? undefined : await ask(one, idIn(theirs, one, present), reader)
        await remove(one)
        expect(refusal(there)).toEqual([403, 'LinkedAuthorizationFailed'])
        expect(told(not)).toEqual(told(there))
        expect(refusal(nothing)).toEqual([403, 'AuthorizationFailed'])
        if (read !== undefined) expect(refusal(read)).toEqual([403, 'LinkedAuthorizationFailed'])
      })

      it('is refused to its owner, if there is none, or one of another type', async () => {
        const other = networkPath(
          one.names.endsWith('networkSecurityGroups') ? 'publicIPAddresses' : 'networkSecurityGroups',
          one.names.endsWith('networkSecurityGroups') ? 'xPublicIP' : 'xNSG',
        )
        for (const id of [idIn(group, one, absent), one.part === undefined ? other : `${other}/${one.part}`]) {
          const { status, body } = await ask(one, id)
          expect([400, 404, 409], JSON.stringify(body)).toContain(status)
          expect(body.error.code).not.toContain('Authorization')
        }
      })
    },
  )
})
