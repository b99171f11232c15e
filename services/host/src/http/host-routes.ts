import { imageVariants, hostAudience, standInImage, type ImageVariant } from '@strongroom/contract'
import {
  backupRequest,
  commandRequest,
  firmwareRemoval,
  firmwareSigning,
  hostWire,
  imageImport,
  imageUpdateRequest,
  quoteChallenge,
  signedVariableRequest,
  instanceConversion,
  instanceRekey,
  restoreKey,
  stopRequest,
} from '@strongroom/contract/wires'
import {
  createHttpApp,
  read,
  requireBearer,
  serveWire,
  ServiceError,
  type AttestationVerifier,
  type Logger,
  type TokenVerifier,
} from '@strongroom/platform'
import type { FirmwareReleases } from '../firmware/firmware-releases.ts'
import type { Backups } from '../backup/backups.ts'
import type { Restores } from '../restores/restores.ts'
import { findImage, listImages } from '../image/catalog.ts'
import { importImage } from '../image/import.ts'
import type { PublishedMeasurements } from '../image/published-measurements.ts'
import { convertInstance } from '../instances/conversion.ts'
import { noMemoryDump, notFound } from '../records/errors.ts'
import type { Host } from '../instances/host.ts'
import { rekeyInstance } from '../instances/rekey.ts'
import type { DiskStore } from '../disk-store/disk-store.ts'
import { readSerialLog } from '../qemu/serial-log.ts'
import { diskRoutes } from './disk-routes.ts'
import type { HttpApp } from './http-app.ts'
import type { ImageBuilds } from './image-builds.ts'
import type { SimulatedBoots } from '../simulated/simulated-boots.ts'
import { simulatedRoutes } from './simulated-routes.ts'
import { parseCustomerKey, parseDataDisks, parsePatch, parseSpec, readBody } from './spec.ts'

interface VmPath {
  Params: { vmId: string }
}

/** The wire between control plane and host, `hostWire`. For the control plane only. */
export function createHostApp(o: {
  host: Host
  disks: DiskStore
  backups: Backups
  restores: Restores
  builds: ImageBuilds
  simulated: SimulatedBoots
  measurements: PublishedMeasurements
  firmware: FirmwareReleases
  cacheDir: string
  verifier: TokenVerifier
  controlPlaneObjectId: string
  logger: Logger
  verifiers?: readonly AttestationVerifier[]
}): HttpApp {
  const app = createHttpApp({ name: 'host', logger: o.logger })
  serveWire(app, hostWire)
  const challenge = (): string => `Bearer resource="${hostAudience}"`
  app.addHook('onRequest', requireBearer({ verifier: o.verifier, audiences: [hostAudience], challenge }))
  app.addHook('onRequest', async (request) => {
    if (request.caller.objectId === o.controlPlaneObjectId) return
    throw new ServiceError({
      code: 'AuthorizationFailed',
      message: 'Only the control plane may call a host.',
      expected: 'the control plane’s principal',
      found: request.caller.objectId,
      remedy: 'Use the management API.',
    })
  })
  const verifiers = (o.verifiers ?? []).map(({ issuer }) => issuer)
  instanceRoutes(app, o.host, verifiers)
  backupRoutes(app, o)
  diskRoutes(app, o.disks, verifiers)
  imageRoutes(app, o)
  firmwareRoutes(app, o.firmware)
  simulatedRoutes(app, o.simulated)
  return app
}

function instanceRoutes(app: HttpApp, host: Host, verifiers: readonly string[]): void {
  app.get('/instances', async () => ({ value: host.list() }))
  app.get<VmPath>('/instances/:vmId', async (request) => host.get(request.params.vmId).status())
  app.put<VmPath>('/instances/:vmId', async (request, reply) => {
    const instance = await host.put(parseSpec(request.body, request.params.vmId, verifiers))
    return await reply.code(202).send(instance.status())
  })
  app.patch<VmPath>('/instances/:vmId', async (request) => {
    const instance = host.get(request.params.vmId)
    await instance.patch(parsePatch(request.body))
    return instance.status()
  })
  app.put<VmPath>('/instances/:vmId/data-disks', async (request) => {
    const instance = await host.setDataDisks(request.params.vmId, parseDataDisks(request.body))
    return instance.status()
  })
  app.delete<VmPath>('/instances/:vmId', async (request, reply) => {
    await host.remove(request.params.vmId)
    return await reply.code(204).send()
  })
  app.post<VmPath>('/instances/:vmId/start', async (request, reply) => {
    const instance = host.get(request.params.vmId)
    await instance.start()
    return await reply.code(202).send(instance.status())
  })
  app.post<VmPath>('/instances/:vmId/stop', async (request, reply) => {
    const instance = host.get(request.params.vmId)
    await instance.stop(readBody(stopRequest, request.body ?? {}).graceful !== false)
    return await reply.code(202).send(instance.status())
  })
  app.post<VmPath>('/instances/:vmId/restart', async (request, reply) => {
    const instance = host.get(request.params.vmId)
    await instance.restart()
    return await reply.code(202).send(instance.status())
  })
  app.post<VmPath>('/instances/:vmId/rewrap', async (request) => {
    const instance = host.get(request.params.vmId)
    await instance.rewrap(parseCustomerKey(request.body))
    return instance.status()
  })
  app.post<VmPath>('/instances/:vmId/convert', async (request) => {
    const instance = host.get(request.params.vmId)
    const conversion = readBody(instanceConversion, request.body)
    await instance.changeAtRest('converting', async (o) => await convertInstance(o, conversion))
    return instance.status()
  })
  app.post<VmPath>('/instances/:vmId/rekey', async (request) => {
    const instance = host.get(request.params.vmId)
    const rekey = readBody(instanceRekey, request.body)
    await instance.changeAtRest('replacing the volume key', async (o) => await rekeyInstance(o, rekey))
    return instance.status()
  })
  app.post<VmPath>('/instances/:vmId/commands', async (request, reply) => {
    const instance = host.get(request.params.vmId)
    return await reply.code(202).send(instance.agent().submit(readBody(commandRequest, request.body)))
  })
  app.get<{ Params: { vmId: string; id: string } }>('/instances/:vmId/commands/:id', async (request) => {
    const status = host.get(request.params.vmId).findCommand(request.params.id)
    if (status === undefined) throw notFound(request.params.id)
    return status
  })
  app.post<VmPath>('/instances/:vmId/fresh-quote', async (request) => {
    const instance = host.get(request.params.vmId)
    return await instance.agent().challenges.ask(readBody(quoteChallenge, request.body))
  })
  app.post('/instances/:vmId/memory-dump', async () => {
    throw noMemoryDump()
  })
  app.get<VmPath>('/instances/:vmId/evidence', async (request) => {
    const evidence = await host.get(request.params.vmId).evidence()
    if (evidence === undefined) throw notFound(request.params.vmId)
    return evidence
  })
  app.get<VmPath>('/instances/:vmId/serial-log', async (request, reply) => {
    const log = await readSerialLog(host.get(request.params.vmId).serialLog)
    return await reply.type('text/plain; charset=utf-8').send(log)
  })
}

function backupRoutes(app: HttpApp, { backups, restores }: { backups: Backups; restores: Restores }): void {
  app.post<VmPath>('/instances/:vmId/backup', async (request, reply) => {
    const status = await backups.begin(request.params.vmId, readBody(backupRequest, request.body))
    return await reply.code(202).send(status)
  })
  app.get<VmPath>('/instances/:vmId/backup', async (request) => backups.status(request.params.vmId))
  app.get<VmPath>('/instances/:vmId/restore', async (request) => restores.get(request.params.vmId).offer)
  app.post<VmPath>('/instances/:vmId/restore', async (request, reply) => {
    await restores.get(request.params.vmId).complete(readBody(restoreKey, request.body))
    return await reply.code(204).send()
  })
}

function imageRoutes(
  app: HttpApp,
  o: { builds: ImageBuilds; simulated: SimulatedBoots; cacheDir: string; measurements: PublishedMeasurements },
): void {
  // Whatever else lies in the cache is of other installations, or somebody laid it there: it is the latest of nothing.
  app.get('/images', async () => {
    const found = await listImages(o.cacheDir)
    const signed = await Promise.all(found.map(async (image) => await o.measurements.isSigned(image)))
    return { value: found.filter((_, index) => signed[index]) }
  })
  app.get<{ Params: { id: string } }>('/images/:id/measurements', async (request) => {
    const { id } = request.params
    const image = id === standInImage.id ? await o.simulated.image() : await findImage(o.cacheDir, id)
    if (image === undefined) throw notFound(id)
    return { jws: await o.measurements.current(image) }
  })
  app.get('/images/build', async (request) => await o.builds.status(variantOf(request.query)))
  app.post('/images/build', async (request, reply) => {
    return await reply.code(202).send(await o.builds.start(variantOf(request.query)))
  })
  app.post('/images/import', async (request) => {
    const { path, name } = read(imageImport, request.body, { code: 'InvalidRequestContent', subject: 'The import' })
    const image = await importImage({ cacheDir: o.cacheDir, path, name })
    await o.measurements.sign(image, { disk: image.path })
    return image
  })
  app.post<{ Params: { id: string } }>('/images/:id/update', async (request) => {
    const asked = read(imageUpdateRequest, request.body, { code: 'InvalidRequestContent', subject: 'The update' })
    const image = await findImage(o.cacheDir, request.params.id)
    if (image === undefined) throw notFound(request.params.id)
    return await o.builds.update(image, asked)
  })
  app.post<{ Params: { id: string } }>('/images/:id/sign-variable', async (request) => {
    const asked = read(signedVariableRequest, request.body, { code: 'InvalidRequestContent', subject: 'The write' })
    const image = await findImage(o.cacheDir, request.params.id)
    if (image === undefined) throw notFound(request.params.id)
    return await o.builds.signVariable(image, asked)
  })
}

function firmwareRoutes(app: HttpApp, firmware: FirmwareReleases): void {
  app.get('/firmware', async () => await firmware.document())
  app.post('/firmware', async (request) =>
    firmware.sign(read(firmwareSigning, request.body, { code: 'InvalidRequestContent', subject: 'The firmware' })),
  )
  app.post('/firmware/remove', async (request) => {
    const about = { code: 'InvalidRequestContent', subject: 'The firmware' } as const
    return await firmware.remove(read(firmwareRemoval, request.body, about).sha256)
  })
}

function variantOf(query: unknown): ImageVariant {
  const { variant = 'reference' } = query as { variant?: string }
  const known = imageVariants.find((each) => each === variant)
  if (known !== undefined) return known
  throw new ServiceError({
    code: 'InvalidParameter',
    message: 'There is no such variant of the reference image.',
    target: 'variant',
    expected: imageVariants.join(' or '),
    found: String(variant).slice(0, 80),
  })
}
