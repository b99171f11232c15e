import type { KeyBundle, SecretItem } from '@strongroom/contract'
import { onBehalfOf } from '../../arm/on-behalf-of.ts'
import { Fields, withoutNulls } from '../../arm/fields.ts'
import { ok, param, type ArmRequest } from '../../arm/request.ts'
import type { Route } from '../../arm/router.ts'
import { groupPath, type Plane } from '../../types/plane.ts'
import type { Json } from '../../store/resources.ts'
import { assertMembers, type Members } from '../../types/members.ts'
import type { ResourceType } from '../../types/resource-type.ts'
import { keyMembers, secretMembers } from './vault-members.ts'
import { vaultType, type VaultResource, type VaultSettings } from './vault-model.ts'

const vaultPath = `${groupPath}/providers/${vaultType}/{name}`

/** Keys of a vault created by a template. Stored by the key service; there are no rows here. */
export const vaultKeys: ResourceType = objects('keys', {
  members: keyMembers,
  write: async (plane, request, vault, name) =>
    keyView(await plane.vaults.ensureKey(onBehalfOf(request), vault.name, name, readKey(request))),
  read: async (plane, vault, name) => keyView(await plane.vaults.getKey(vault.name, name)),
})

/** Secrets likewise. The resource manager never shows their values. */
export const vaultSecrets: ResourceType = objects('secrets', {
  members: secretMembers,
  write: async (plane, request, vault, name) =>
    secretView(await plane.vaults.setSecret(onBehalfOf(request), vault.name, name, readSecret(request))),
  read: async (plane, vault, name) => secretView(await plane.vaults.getSecret(vault.name, name)),
})

interface View {
  tags: Record<string, string>
  properties: Json
}

function objects(
  kind: 'keys' | 'secrets',
  o: {
    members: Members
    write(plane: Plane, request: ArmRequest, vault: VaultResource, name: string): Promise<View>
    read(plane: Plane, vault: VaultResource, name: string): Promise<View>
  },
): ResourceType {
  const spelling = `${vaultType}/${kind}`
  const route = (plane: Plane, method: 'GET' | 'PUT'): Route => ({
    method,
    path: `${vaultPath}/${kind}/{object}`,
    action: `${spelling}/${method === 'GET' ? 'read' : 'write'}`,
    handle: async (request) => {
      const vault = await plane.resources.get<VaultSettings>(request.path.split('/').slice(0, 9).join('/'))
      const name = param(request, 'object')
      if (method === 'PUT') await assertMembers(o.members, request.body)
      const view = method === 'GET' ? await o.read(plane, vault, name) : await o.write(plane, request, vault, name)
      return ok({ id: request.path, name, type: spelling, location: vault.location, ...view })
    },
  })
  return { spelling, inParent: true, members: o.members, routes: (plane) => [route(plane, 'GET'), route(plane, 'PUT')] }
}

/** In the key service's format; it validates the content. @throws ServiceError for a malformed body */
function readKey(request: ArmRequest): object {
  const fields = new Fields(withoutNulls(request.body))
  const properties = fields.object('properties')
  const tags = fields.textMap('tags')
  const kty = properties.text('kty')
  const policy = properties.object('release_policy')
  const data = policy.text('data')
  const [size, curve] = [properties.integer('keySize'), properties.text('curveName')]
  const operations = properties.texts('keyOps', 20).map((each) => (each === 'release' ? 'export' : each))
  const rotation = properties.raw('rotationPolicy')
  if (kty === undefined) fields.missing('properties.kty', 'properties.kty', { expected: 'RSA, RSA-HSM, EC or EC-HSM' })
  fields.assertSound()
  return {
    kty,
    ...(size !== undefined && { key_size: size }),
    ...(curve !== undefined && { crv: curve }),
    ...(operations.length > 0 && { key_ops: operations }),
    ...(properties.has('attributes') && { attributes: properties.raw('attributes') }),
    ...(tags !== undefined && { tags }),
    ...(data !== undefined && {
      release_policy: {
        // Templates encode with base64(); the data plane expects base64url.
        data: data.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''),
        ...(policy.has('contentType') && { contentType: policy.text('contentType') }),
        ...(policy.has('immutable') && { immutable: policy.flag('immutable') }),
      },
    }),
    ...(rotation !== undefined && { rotation_policy: rotation }),
  }
}

function readSecret(request: ArmRequest): object {
  const fields = new Fields(withoutNulls(request.body))
  const properties = fields.object('properties')
  const tags = fields.textMap('tags')
  const [value, contentType] = [properties.text('value'), properties.text('contentType')]
  fields.assertSound()
  return {
    value,
    ...(contentType !== undefined && { contentType }),
    ...(properties.has('attributes') && { attributes: properties.raw('attributes') }),
    ...(tags !== undefined && { tags }),
  }
}

const withoutVersion = (id: string): string => id.split('/').slice(0, -1).join('/')

function keyView({ key, attributes, tags, release_policy: policy }: KeyBundle): View {
  const { kid, kty, key_ops: keyOps, crv: curveName, n } = key
  const properties = {
    attributes,
    kty,
    keyOps,
    ...(n !== undefined && { keySize: Buffer.from(n, 'base64url').length * 8 }),
    ...(curveName !== undefined && { curveName }),
    ...(policy !== undefined && { release_policy: policy }),
    keyUri: withoutVersion(kid),
    keyUriWithVersion: kid,
  }
  return { tags, properties }
}

function secretView({ id, attributes, contentType, tags }: SecretItem): View {
  const properties = {
    attributes,
    ...(contentType !== undefined && { contentType }),
    secretUri: withoutVersion(id),
    secretUriWithVersion: id,
  }
  return { tags: tags ?? {}, properties }
}
