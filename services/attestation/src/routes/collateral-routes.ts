import { ServiceError, type FastifyInstance, type TokenVerifier } from '@strongroom/platform'
import { requireAttestationBearer } from './management-scope.ts'
import type { Collateral } from '../collateral/collateral.ts'
import type { SourceName } from '../collateral/sources.ts'

/** A bundle with hundreds of processors and the longest lists is well below this. */
const bundleLimit = 64 * 1024 * 1024

/** `/collateral` (contract/attestation-collateral.ts): for the owner only. */
export async function collateralRoutes(
  app: FastifyInstance,
  o: { collateral: Collateral; verifier: TokenVerifier; tenantId: string; allowed(objectId: string): boolean },
): Promise<void> {
  await app.register(async (scope) => {
    scope.addHook('onRequest', requireAttestationBearer(o))
    scope.addHook('onRequest', async (request) => {
      if (o.allowed(request.caller.objectId)) return
      throw new ServiceError({
        code: 'Forbidden',
        message: `The caller ${request.caller.objectId} may not read or change the collateral.`,
        expected: 'the owner of this installation',
        found: request.caller.objectId,
        remedy: 'Sign in as the owner.',
      })
    })
    scope.get('/collateral', async () => await o.collateral.status())
    scope.get<{ Querystring: { source?: unknown } }>('/collateral/bundle', async (request) => {
      return await o.collateral.export(sourceOf(request.query.source))
    })
    scope.post('/collateral/bundle', { bodyLimit: bundleLimit }, async (request) => {
      const imported = await o.collateral.import(request.body)
      request.log.info({ caller: request.caller.objectId, items: imported.results.length }, 'collateral imported')
      return imported
    })
  })
}

function sourceOf(value: unknown): SourceName {
  if (value === undefined || value === 'vendors') return 'vendors'
  if (value === 'installation') return value
  throw new ServiceError({
    code: 'InvalidParameter',
    message: 'There is no such source of collateral.',
    target: 'source',
    expected: 'vendors or installation',
    found: typeof value === 'string' ? value.slice(0, 100) : typeof value,
    remedy: 'Omit it for the vendors’ collateral.',
  })
}
