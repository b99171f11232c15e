import { chmod } from 'node:fs/promises'
import rateLimit from '@fastify/rate-limit'
import type { GuestHealth, InstanceSpec } from '@strongroom/contract'
import {
  createHttpApp,
  ServiceError,
  type Clock,
  type FastifyInstance,
  type InstallationAuthority,
  type Logger,
  type TokenSource,
  type WireClient,
} from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { intelRoutes } from '../http/collateral-routes.ts'
import { certifyAttestationKey } from '../tpm/certificates.ts'
import { DocumentSigner } from './attested-document.ts'
import { parseBootReport, type BootReport } from './boot-report.ts'
import { parseGuestHealth } from './guest-health.ts'
import { identityRoutes } from './identity-routes.ts'
import { instanceRoutes } from './instance-routes.ts'
import { answerErrors, requireDirectCall } from './metadata-errors.ts'
import { provisioningLines } from './provisioning.ts'
import { quoteRoutes, thimRoutes } from './thim-routes.ts'

export interface MetadataServer {
  close(): Promise<void>
}

export interface MetadataOptions {
  spec: InstanceSpec
  installation: { subscriptionId: string; tenantId: string }
  authority: InstallationAuthority
  clock: Clock
  silicon: Silicon
  wire: WireClient
  tokens: TokenSource
  /** SubjectPublicKeyInfo of the attestation key in this guest's vTPM. */
  akSpki: Uint8Array
  nonce: Uint8Array
  logger: Logger
  /** Refuses with a ServiceError what does not verify. */
  onReady(report: BootReport): Promise<void>
  onHealth(health: GuestHealth): void
}

/**
 * The endpoint at 169.254.169.254 of one VM. It listens on a unix socket that only this VM's network leads to, so the
 * socket says who calls.
 */
export async function startMetadataServer(o: MetadataOptions & { socket: string }): Promise<MetadataServer> {
  const app = createMetadataApp(o)
  await app.listen({ path: o.socket })
  await chmod(o.socket, 0o600)
  return { close: () => app.close() }
}

/** Azure's part answers in Azure's shapes; `/metadata/strongroom` is ours, for the agent of the reference image. */
export function createMetadataApp(o: MetadataOptions): FastifyInstance {
  const app = createHttpApp({ name: 'metadata', logger: o.logger, bodyLimit: 2 * 1024 * 1024 })
  app.addHook('onRequest', async (request) => requireDirectCall(request))
  const { subscriptionId, tenantId } = o.installation
  const documents = new DocumentSigner(o)
  app.get('/metadata/strongroom/provisioning', async (_request, reply) => {
    return await reply
      .type('text/plain; charset=utf-8')
      .send(provisioningLines({ spec: o.spec, caPem: o.authority.caPem, nonce: o.nonce }))
  })
  app.post('/metadata/strongroom/ready', async (request) => {
    await o.onReady(parseBootReport(request.body))
    return {}
  })
  app.post('/metadata/strongroom/health', async (request) => {
    o.onHealth(parseGuestHealth(request.body, o.clock.now()))
    return {}
  })
  void app.register(async (azure) => {
    // The signatures of one guest must not keep the processor from the others; Azure allows less.
    await azure.register(rateLimit, { ...limit, keyGenerator: () => 'guest', errorResponseBuilder: tooMany })
    scope(azure, '/metadata', 'instance', (part) => {
      instanceRoutes(part, { spec: o.spec, subscriptionId, documents })
    })
    scope(azure, '/metadata/identity', 'identity', (part) => identityRoutes(part, { ...o, tenantId }))
    scope(azure, '/metadata/THIM', 'instance', (part) => {
      const renewAkCertificate = (): Promise<string> =>
        certifyAttestationKey({ authority: o.authority, vmId: o.spec.vmId, spki: o.akSpki })
      thimRoutes(part, { ...o, renewAkCertificate })
      if (o.spec.tee === 'TDX') intelRoutes(part, o.silicon)
    })
    // Azure's clients name it with and without /metadata.
    for (const prefix of ['/acc', '/metadata/acc']) scope(azure, prefix, 'instance', (part) => quoteRoutes(part, o))
  })
  return app
}

const limit = { max: 200, timeWindow: 10_000 }

const tooMany = (): ServiceError =>
  new ServiceError({
    code: 'TooManyRequests',
    status: 429,
    message: 'Too many requests',
    expected: `at most ${limit.max} in ${limit.timeWindow / 1000} seconds`,
    found: 'one more',
    headers: { 'retry-after': '10' },
  })

/** Bodies are read as text whatever their type: Azure's clients label a certificate or JSON as a form. */
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
