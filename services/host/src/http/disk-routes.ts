import type { FinishUpload, StoredDiskSpec } from '@strongroom/contract'
import { diskAccessRequest, finishUpload, storedDiskSpec } from '@strongroom/contract/wires'
import { ServiceError, type createHttpApp } from '@strongroom/platform'
import { isVmId } from '../records/layout.ts'
import type { DiskStore } from '../disk-store/disk-store.ts'
import { readBody, requireProvider } from './spec.ts'

interface Path {
  Params: { id: string }
}

function requireProviders({ guest, guestOfSource }: FinishUpload, verifiers: readonly string[]): void {
  if (guest !== undefined) requireProvider(guest.attestationProvider, verifiers, 'guest.attestationProvider')
  if (guestOfSource !== undefined)
    requireProvider(guestOfSource.attestationProvider, verifiers, 'guestOfSource.attestationProvider')
}

/** @throws ServiceError InvalidInstanceSpec with every field that is wrong */
function parseSpec(body: unknown, id: string, verifiers: readonly string[]): StoredDiskSpec {
  const spec = readBody(storedDiskSpec, body)
  requireProviders(spec, verifiers)
  if (spec.id === id.toUpperCase()) return spec
  throw new ServiceError({
    code: 'InvalidInstanceSpec',
    message: 'Path and body name different disks.',
    target: 'id',
    expected: id.toUpperCase(),
    found: spec.id,
  })
}

const idOf = (request: { params: Path['Params'] }): string => {
  const id = request.params.id.toUpperCase()
  if (isVmId(id)) return id
  throw new ServiceError({
    code: 'DiskNotFound',
    message: 'This host has no such disk.',
    target: 'id',
  })
}

/** Disks stored besides VMs' own (packages/contract/src/stored-disk.ts). */
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
    const given = readBody(finishUpload, request.body ?? {})
    requireProviders(given, verifiers)
    return await reply.code(202).send(await disks.finish(idOf(request), given))
  })
  app.post<Path>('/disks/:id/access', async (request) => {
    return await disks.grant(idOf(request), readBody(diskAccessRequest, request.body))
  })
  app.delete<Path>('/disks/:id/access', async (request, reply) => {
    await disks.grants.revoke(idOf(request))
    return await reply.code(204).send()
  })
}
