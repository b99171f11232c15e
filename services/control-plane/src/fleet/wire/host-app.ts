import { createPublicKey, verify } from 'node:crypto'
import {
  joinStatement,
  releaseStep,
  releaseStepHeader,
  type BeatAnswer,
  type FleetInstallation,
  type HostCertificate,
  type JoinRequest,
  type ReportAnswer,
} from '@strongroom/contract'
import type { Shape } from '@strongroom/contract/shape'
import {
  beatRequest,
  carriedOperations,
  certificateRequest,
  fleetWire,
  joinRequest,
  vmsReport,
} from '@strongroom/contract/wires'
import {
  createHttpApp,
  keyDigest,
  read,
  requireFittingStep,
  serveWire,
  ServiceError,
  type FastifyInstance,
  type FastifyRequest,
  type InstallationAuthority,
  type Logger,
} from '@strongroom/platform'
import type { FleetCompute } from '../fleet-compute.ts'
import { carriedRoutes, installationRoute, type GuestParts } from '../guests/carried-routes.ts'
import type { FleetHost } from '../fleet-host.ts'
import { callerOf, subjectOf } from '../host-caller.ts'
import type { HostRegistry } from '../registry.ts'

/** Renewed by the host after two thirds of it. */
const certificateDays = 90

export type CertifyingAuthority = Pick<InstallationAuthority, 'caPem' | 'issueCertificate'>

/** Serves `fleetWire`. A host's certificate is its only identity. */
export function createFleetApp(o: {
  registry: HostRegistry
  compute: FleetCompute
  authority: CertifyingAuthority
  installation: FleetInstallation
  /** If hosts carry guests. */
  guests?: GuestParts
  logger: Logger
}): FastifyInstance {
  const app = createHttpApp({ name: 'fleet', logger: o.logger })
  const forGuests = new Set(carriedOperations.filter(({ path }) => path !== '/installation'))
  app.addHook('onRequest', async (request, reply) => {
    reply.header(releaseStepHeader, String(releaseStep))
    requireFittingStep(request.headers, 'The host')
    await Promise.resolve()
  })
  const operations = fleetWire.operations.filter((each) => o.guests !== undefined || !forGuests.has(each))
  serveWire(app, { ...fleetWire, operations })
  installationRoute(app, o)
  const { guests } = o
  const { leaseSeconds } = o.registry
  // How long a beat is held without news: a host calls again well within its lease.
  const holdMs = (leaseSeconds * 1000) / 4
  if (guests !== undefined) carriedRoutes(app, { ...o, ...guests })
  const certify = async (host: FleetHost, publicKey: Uint8Array): Promise<HostCertificate> => ({
    hostId: host.id,
    name: host.name,
    certificate: await o.authority.issueCertificate({
      subject: `CN=${subjectOf(host)}`,
      publicKey,
      usages: ['clientAuth'],
      days: certificateDays,
    }),
  })
  app.get('/ca', async (_request, reply) => await reply.type('application/x-pem-file').send(o.authority.caPem))
  app.post('/join', async (request) => {
    const join = sent(joinRequest, request)
    const publicKey = provenKey(join)
    const host = await o.registry.redeem({ name: join.name, secret: join.secret, key: keyDigest(publicKey) })
    return await certify(host, publicKey)
  })
  app.post('/certificate', async (request) => {
    const { host, publicKey } = await callerOf(o.registry, request.raw)
    sent(certificateRequest, request)
    return await certify(host, publicKey)
  })
  app.post('/beat', async (request, reply): Promise<BeatAnswer> => {
    const { host } = await callerOf(o.registry, request.raw)
    const { revision: known } = sent(beatRequest, request)
    await o.registry.renew(host)
    const gone = new AbortController()
    reply.raw.once('close', () => gone.abort())
    const isAsked = guests?.calls.has(host.id) === true
    if (!isAsked) await o.compute.awaitOrders(host, known, holdMs, gone.signal)
    const { revision, carry } = await o.compute.ordersOf(host, known)
    const calls = guests?.calls.untold(host.id) ?? []
    return { leaseSeconds, revision, ...(carry !== undefined && { carry }), ...(calls.length > 0 && { calls }) }
  })
  app.post('/report', async (request): Promise<ReportAnswer> => {
    const { host } = await callerOf(o.registry, request.raw)
    return { over: await o.compute.report(host, sent(vmsReport, request).vms) }
  })
  return app
}

/** @throws ServiceError InvalidRequestContent */
const sent = <T>(shape: Shape<T>, { body }: FastifyRequest): T =>
  read(shape, body, { code: 'InvalidRequestContent', subject: 'What the host sent' })

/** The key, if the caller proves possession. @throws ServiceError HostKeyInvalid */
function provenKey(join: JoinRequest): Uint8Array {
  const spki = Buffer.from(join.publicKey, 'base64')
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    const isP256 = key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
    // Re-encoded, so that one key has one digest.
    const written = key.export({ type: 'spki', format: 'der' })
    const proof = Buffer.from(join.proof, 'base64')
    if (isP256 && verify('sha256', Buffer.from(joinStatement(join)), key, proof)) return written
  } catch {
    // Said below.
  }
  throw new ServiceError({
    code: 'HostKeyInvalid',
    message: 'The key of the host cannot be certified.',
    target: 'publicKey',
    expected: 'a P-256 key, with a signature by it over the request',
    found: 'another key, or a signature that is not by it',
    remedy: 'Join with `strongroom host join`.',
  })
}
