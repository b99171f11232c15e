import { chmod } from 'node:fs/promises'
import { isOrdinary, type AnySpec, type AttachedDisk, type GuestHealth } from '@strongroom/contract'
import { guestWire, reportPath } from '@strongroom/contract/wires'
import {
  boundConnections,
  createHttpApp,
  limitRoutes,
  serveWire,
  ServiceError,
  type Clock,
  type FastifyInstance,
  type InstallationAuthority,
  type Logger,
  type TokenSource,
  type WireClient,
} from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { intelRoutes } from '../collateral/collateral-routes.ts'
import {
  type ReportOnUserData,
  parseBootNumber,
  parseBootReport,
  parseReportWithoutTpm,
  type BootReport,
} from '@strongroom/paravisor'
import { certifyAttestationKey } from '@strongroom/paravisor/tpm'
import type { AttestedDocuments } from './attested-document.ts'
import { cloudInitPath } from '../qemu/guest-network.ts'
import { cloudInitRoutes } from './cloud-init.ts'
import { challengeRoutes } from './challenge-routes.ts'
import { commandRoutes } from './command-routes.ts'
import { CommandQueue } from './command-queue.ts'
import { parseGuestHealth } from './guest-health.ts'
import { identityRoutes } from './identity-routes.ts'
import { instanceRoutes } from './instance-routes.ts'
import { answerErrors, requireDirectCall } from './metadata/metadata-errors.ts'
import { provisioningLines } from './provisioning.ts'
import { reportRoutes } from './report-routes.ts'
import type { PlannedEvents } from './scheduled-events.ts'
import { quoteRoutes, thimRoutes } from './thim-routes.ts'

/** Of one guest. */
const mostConnections = 128

export interface MetadataServer {
  close(): Promise<void>
}

export interface MetadataOptions {
  spec: AnySpec
  installation: { subscriptionId: string; tenantId: string }
  authority: InstallationAuthority
  documents: AttestedDocuments
  clock: Clock
  /** Absent for a VM that is not confidential: no processor vouches for it. */
  silicon?: Silicon
  wire: WireClient
  tokens: TokenSource
  /** SubjectPublicKeyInfo of the attestation key in this guest's vTPM; absent for a VM that is not confidential. */
  akSpki?: Uint8Array
  nonce: Uint8Array
  logger: Logger
  /** Refuses an unverifiable report with a ServiceError. */
  onReady(report: BootReport): Promise<void>
  onHealth(health: GuestHealth): void
  /** The VM's current data disks; none by default. */
  dataDisks?(): AttachedDisk[]
  /** Replaces `onReady` for a VM without a vTPM: it proves nothing, and reports that it runs. */
  onReadyWithoutTpm?(nonce: Uint8Array): Promise<void>
  /** Absent for a VM that is not confidential. */
  report?: ReportOnUserData
  /** What is planned for the VM; nothing by default. */
  events?: PlannedEvents
  /** Commands for the guest; none by default. */
  commands?: CommandQueue
}

/**
 * The endpoint at 169.254.169.254 of one VM. It listens on a unix socket that only this VM's network leads to, so the
 * socket identifies the caller.
 */
export async function startMetadataServer(o: MetadataOptions & { socket: string }): Promise<MetadataServer> {
  const app = createMetadataApp(o)
  app.server.headersTimeout = 10_000
  boundConnections(app.server, { most: mostConnections })
  await app.listen({ path: o.socket })
  await chmod(o.socket, 0o600)
  return { close: () => app.close() }
}

const furtherDevices = (o: MetadataOptions): number =>
  (o.spec.interfaces?.length ?? 0) + (o.dataDisks?.().length ?? 0) + (o.spec.size.temporaryGiB === undefined ? 0 : 1)

/** Azure's part answers in Azure's format; `/metadata/strongroom` is ours, for the agent of the reference image. */
function createMetadataApp(o: MetadataOptions): FastifyInstance {
  const app = createHttpApp({ name: 'metadata', logger: o.logger, bodyLimit: 2 * 1024 * 1024 })
  const hasReport = o.report !== undefined
  const operations = guestWire.operations.filter(({ path }) => hasReport || path !== reportPath)
  serveWire(app, { ...guestWire, operations })
  // cloud-init does not send Azure's header.
  app.addHook('onRequest', async (request) => {
    if (!request.url.startsWith(`${cloudInitPath}/`)) requireDirectCall(request)
  })
  const { subscriptionId, tenantId } = o.installation
  let booted = false
  app.get('/metadata/strongroom/provisioning', async (_request, reply) => {
    const { spec, nonce, authority } = o
    const lines = provisioningLines({
      spec,
      caPem: authority.caPem,
      nonce,
      reported: booted,
      furtherDevices: furtherDevices(o),
    })
    return await reply.type('text/plain; charset=utf-8').send(lines)
  })
  const commands = o.commands ?? new CommandQueue(o.clock)
  app.post('/metadata/strongroom/ready', async (request) => {
    commands.bootNumber = parseBootNumber(request.body)
    if (o.onReadyWithoutTpm === undefined) await o.onReady(parseBootReport(request.body))
    else await o.onReadyWithoutTpm(parseReportWithoutTpm(request.body))
    booted = true
    return {}
  })
  app.post('/metadata/strongroom/health', async (request) => {
    o.onHealth(parseGuestHealth(request.body, o.clock.now()))
    return {}
  })
  cloudInitRoutes(app, { spec: o.spec, open: () => !booted })
  commandRoutes(app, commands)
  challengeRoutes(app, commands.challenges)
  void app.register(async (azure) => {
    // One guest's signature requests must not keep the processor from others; Azure allows fewer.
    limitRoutes(azure, { ...limit, keyOf: () => 'guest', refuse: tooMany })
    azure.addHook('onRequest', async (request) => {
      // By route, which the router matched in any spelling of the path.
      if (!booted && !saysNothingForTheVm(request.routeOptions.url)) throw notReported()
    })
    scope(azure, '/metadata', 'instance', (part) => {
      const { spec, events } = o
      const dataDisks = (): AttachedDisk[] => o.dataDisks?.() ?? []
      instanceRoutes(part, {
        spec,
        subscriptionId,
        documents: o.documents,
        dataDisks,
        ...(events !== undefined && { events }),
      })
    })
    scope(azure, '/metadata/identity', 'identity', (part) => identityRoutes(part, { ...o, tenantId }))
    const { spec, silicon, akSpki, report } = o
    if (report !== undefined) scope(azure, '/metadata/strongroom', 'instance', (part) => reportRoutes(part, report))
    if (isOrdinary(spec) || silicon === undefined || akSpki === undefined) return
    scope(azure, '/metadata/THIM', 'instance', (part) => {
      const renewAkCertificate = (): Promise<string> =>
        certifyAttestationKey({ authority: o.authority, vmId: spec.vmId, spki: akSpki })
      thimRoutes(part, { spec, silicon, akSpki, renewAkCertificate })
      if (spec.tee === 'TDX') intelRoutes(part, silicon)
    })
    // Azure's clients name it with and without /metadata.
    for (const prefix of ['/acc', '/metadata/acc'])
      scope(azure, prefix, 'instance', (part) => quoteRoutes(part, { spec, silicon }))
  })
  return app
}

/**
 * Everything available before a boot was reported: the guest's description, and public certificates. What others accept
 * as the VM's own word (tokens of its identity, documents about it, quotes of its machine) is refused: another disk may
 * be running in the VM until its report is refused (measured-boot.ts). Unknown paths are answered as usual.
 */
const saysNothingForTheVm = (route = ''): boolean =>
  route === '' ||
  /^\/metadata\/(versions|instance(\/\*)?|scheduledevents|loadbalancer|identity\/info)$/.test(route) ||
  /^\/metadata\/THIM\/(amd|sgx|tdx)\/certification(\/|$)/.test(route)

const notReported = (): ServiceError =>
  new ServiceError({
    code: 'BootNotReported',
    message: 'The boot of this virtual machine has not been reported yet.',
    expected: 'a verified report of this boot',
    found: 'none',
    remedy: 'Try again once strongroom-agent.service has finished (systemctl status strongroom-agent).',
    headers: { 'retry-after': '1' },
  })

const limit = { requests: 200, windowMs: 10_000 }

const tooMany = (): ServiceError =>
  new ServiceError({
    code: 'TooManyRequests',
    message: 'Too many requests',
    expected: `at most ${limit.requests} in ${limit.windowMs / 1000} seconds`,
    found: 'one more',
    headers: { 'retry-after': '10' },
  })

/** Bodies are read as text in any type: Azure's clients label a certificate or JSON as a form. */
function scope(
  app: FastifyInstance,
  prefix: string,
  errors: 'instance' | 'identity',
  routes: (part: FastifyInstance) => void,
): void {
  void app.register(
    async (part) => {
      part.removeAllContentTypeParsers()
      part.addContentTypeParser<string>('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
      answerErrors(part, errors)
      routes(part)
    },
    { prefix },
  )
}
