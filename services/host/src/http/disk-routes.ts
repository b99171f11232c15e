import type { DiskAccessRequest, FinishUpload, StoredDiskSpec } from '@strongroom/contract'
import { ServiceError, type createHttpApp } from '@strongroom/platform'
import { isVmId } from '../instances/layout.ts'
import type { DiskStore } from '../disk-store/disk-store.ts'
import { count, flag, keyIdentifier, line, oneOf, providerOf, requireShape, text, type Shape } from './spec.ts'

interface Path {
  Params: { id: string }
}

const guid: Shape[string] = {
  check: (value) => typeof value === 'string' && isVmId(value),
  expected: 'an upper-case GUID',
}

const guestShape = (path: string, verifiers: readonly string[]): Shape =>
  Object.fromEntries(
    Object.entries({
      vmId: guid,
      tee: oneOf('SNP', 'TDX'),
      encryption: oneOf('VMGuestStateOnly', 'DiskWithVMGuestState', 'NonPersistedTPM'),
      secureBoot: flag,
      guestStateKey: keyIdentifier,
      attestationProvider: providerOf(verifiers),
    }).map(([name, check]) => [`${path}.${name}`, check]),
  )

const address = text(/^(file:\/\/\/|https:\/\/)[\x21-\x7e]{1,2000}$/, 'an address')

const sources: Record<StoredDiskSpec['source']['from'], Shape> = {
  instance: { 'source.vmId': guid },
  disk: { 'source.id': guid },
  image: { 'source.image': line },
  uri: {
    'source.uri': address,
    'source.guestStateUri': {
      check: (value) => value === undefined || address.check(value),
      expected: `${address.expected}, or nothing`,
    },
  },
  empty: { 'source.sizeGiB': count(1, 32_767) },
  upload: { 'source.bytes': count(512, 32_767 * 2 ** 30 + 512), 'source.withGuestState': flag },
}

function guests(body: FinishUpload, verifiers: readonly string[]): Shape {
  return {
    ...(body.guest !== undefined && guestShape('guest', verifiers)),
    ...(body.guestOfSource !== undefined && guestShape('guestOfSource', verifiers)),
  }
}

/** @throws ServiceError InvalidInstanceSpec with every field that is wrong */
function parseSpec(body: unknown, id: string, verifiers: readonly string[]): StoredDiskSpec {
  const { source, ...rest } = (body ?? {}) as Partial<StoredDiskSpec>
  requireShape(body, {
    id: {
      check: (value) => typeof value === 'string' && isVmId(value) && value === id.toUpperCase(),
      expected: 'the id of the path, an upper-case GUID',
    },
    name: line,
    'source.from': oneOf(...Object.keys(sources)),
    ...(source !== undefined && sources[source?.from]),
    ...guests(rest, verifiers),
  })
  return body as StoredDiskSpec
}

const idOf = (request: { params: Path['Params'] }): string => {
  const id = request.params.id.toUpperCase()
  if (isVmId(id)) return id
  throw new ServiceError({
    code: 'DiskNotFound',
    message: 'This host keeps no such disk.',
    target: 'id',
  })
}

/** Disks that are kept beside the VMs (packages/contract/src/stored-disk.ts). */
export function diskRoutes(
  app: ReturnType<typeof createHttpApp>,
  disks: DiskStore,
  verifiers: readonly string[],
): void {
  app.put<Path>('/disks/:id', async (request, reply) => {
    const spec = parseSpec(request.body, request.params.id, verifiers)
    return await reply.code(202).send(await disks.put(spec))
  })
  app.get<Path>('/disks/:id', async (request) => {
    const id = idOf(request)
    const status = await disks.status(id)
    const owner = status.state === 'Uploading' ? await disks.ownerOfUpload(id) : undefined
    return { ...status, ...(owner !== undefined && { guestStateOf: owner }) }
  })
  app.delete<Path>('/disks/:id', async (request, reply) => {
    await disks.remove(idOf(request))
    return await reply.code(204).send()
  })
  app.post<Path>('/disks/:id/finish', async (request, reply) => {
    const given = (request.body ?? {}) as FinishUpload
    requireShape(given, guests(given, verifiers))
    return await reply.code(202).send(await disks.finish(idOf(request), given))
  })
  app.post<Path>('/disks/:id/access', async (request) => {
    requireShape(request.body, {
      permission: oneOf('Read', 'Write'),
      seconds: count(1, 60 * 24 * 3600),
      withGuestState: flag,
    })
    return await disks.grant(idOf(request), request.body as DiskAccessRequest)
  })
  app.delete<Path>('/disks/:id/access', async (request, reply) => {
    await disks.grants.revoke(idOf(request))
    return await reply.code(204).send()
  })
}
