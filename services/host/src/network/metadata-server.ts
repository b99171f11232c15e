import { chmod } from 'node:fs/promises'
import type { InstanceSpec } from '@strongroom/contract'
import { createHttpApp, ServiceError, type Logger } from '@strongroom/platform'
import { parseBootReport, type BootReport } from './boot-report.ts'
import { instanceMetadata } from './instance-metadata.ts'
import { provisioningLines } from './provisioning.ts'

export interface MetadataServer {
  close(): Promise<void>
}

/**
 * The endpoint at 169.254.169.254 of one VM. It listens on a unix socket that only this VM's network leads to, so the
 * socket says who calls.
 * @param o.onReady refuses with a ServiceError what does not verify
 */
export async function startMetadataServer(o: {
  socket: string
  spec: InstanceSpec
  subscriptionId: string
  caPem: string
  nonce: Uint8Array
  logger: Logger
  onReady: (report: BootReport) => Promise<void>
}): Promise<MetadataServer> {
  const app = createHttpApp({ name: 'metadata', logger: o.logger, bodyLimit: 2 * 1024 * 1024 })
  app.addHook('onRequest', async (request) => {
    // A proxy or a browser that was led here does not send the header (Azure's rule).
    if (request.headers['metadata'] === 'true' && request.headers['x-forwarded-for'] === undefined) return
    throw new ServiceError({
      code: 'BadRequest',
      status: 400,
      message: 'Required metadata header not specified.',
      target: 'Metadata',
      expected: 'Metadata: true, and no X-Forwarded-For',
    })
  })
  app.get<{ Querystring: { 'api-version'?: string } }>('/metadata/instance', async (request) => {
    if (/^\d{4}-\d{2}-\d{2}$/.test(request.query['api-version'] ?? ''))
      return instanceMetadata(o.spec, o.subscriptionId)
    throw new ServiceError({
      code: 'BadRequest',
      status: 400,
      message: 'The api-version is missing or has another form.',
      target: 'api-version',
      expected: 'for example api-version=2021-02-01',
    })
  })
  app.get('/metadata/strongroom/provisioning', async (_request, reply) => {
    return await reply.type('text/plain; charset=utf-8').send(provisioningLines(o))
  })
  app.post('/metadata/strongroom/ready', async (request) => {
    await o.onReady(parseBootReport(request.body))
    return {}
  })
  await app.listen({ path: o.socket })
  await chmod(o.socket, 0o600)
  return { close: () => app.close() }
}
