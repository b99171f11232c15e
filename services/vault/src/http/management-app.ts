import { loginHost, vaultManagementApiVersion, vaultManagementAudience } from '@strongroom/contract'
import { createHttpApp, requireBearer, ServiceError, type Logger, type TokenVerifier } from '@strongroom/platform'
import { badParameter, shown } from '../errors.ts'
import type { Hsms } from '../hsm/hsms.ts'
import type { Vaults } from '../vaults/vaults.ts'
import type { App, Request } from './admission.ts'
import { readAskedBy } from './asked-by.ts'

/** The wire on which the resource manager makes, changes and deletes vaults. Nobody else passes. */
export function createManagementApp(o: {
  vaults: Vaults
  hsms: Hsms
  verifier: TokenVerifier
  controlPlaneObjectId: string
  tenantId: string
  logger: Logger
}): App {
  // A vault with its thousand policies and ten thousand grants passes.
  const app = createHttpApp({ name: 'vault-management', logger: o.logger, bodyLimit: 8 * 1024 * 1024 })
  const challenge = `Bearer authorization="https://${loginHost}/${o.tenantId}", resource="${vaultManagementAudience}"`
  app.addHook(
    'onRequest',
    requireBearer({
      verifier: o.verifier,
      audiences: [vaultManagementAudience, `${vaultManagementAudience}/`],
      challenge: () => challenge,
    }),
  )
  app.addHook('onRequest', async (request) => {
    if (request.caller.objectId !== o.controlPlaneObjectId) throw forbidden(request.caller.objectId)
    const version = (request.query as Record<string, unknown>)['api-version']
    if (version === vaultManagementApiVersion) return
    throw badParameter('The api-version is not supported.', {
      target: 'api-version',
      expected: vaultManagementApiVersion,
      found: shown(version),
    })
  })
  app.addHook('onRequest', readAskedBy(o.controlPlaneObjectId))
  const { vaults, hsms } = o

  app.put('/vaults/:name', async (request, reply) => {
    const { record, created } = await vaults.put(request.caller, nameOf(request), request.body)
    return reply.code(created ? 201 : 200).send(record)
  })
  app.get('/vaults/:name', async (request) => vaults.get(nameOf(request)))
  app.delete('/vaults/:name', async (request) => vaults.delete(request.caller, nameOf(request)))
  app.get('/availability/:name', async (request) => vaults.availability(nameOf(request)))
  app.get('/deletedvaults', async () => ({ value: await vaults.listDeleted() }))
  app.get('/deletedvaults/:name', async (request) => vaults.getDeleted(nameOf(request)))
  app.post('/deletedvaults/:name/recover', async (request) => vaults.recover(request.caller, nameOf(request)))
  app.delete('/deletedvaults/:name', async (request, reply) => {
    await vaults.purge(request.caller, nameOf(request))
    return reply.code(204).send()
  })

  app.put('/managedhsms/:name', async (request, reply) => {
    const { record, created } = await hsms.put(request.caller, nameOf(request), request.body)
    return reply.code(created ? 201 : 200).send(record)
  })
  app.get('/managedhsms/:name', async (request) => hsms.get(nameOf(request)))
  app.delete('/managedhsms/:name', async (request) => hsms.delete(request.caller, nameOf(request)))
  app.get('/hsmavailability/:name', async (request) => hsms.availability(nameOf(request)))
  app.get('/deletedmanagedhsms', async () => ({ value: await hsms.listDeleted() }))
  app.get('/deletedmanagedhsms/:name', async (request) => hsms.getDeleted(nameOf(request)))
  app.post('/deletedmanagedhsms/:name/recover', async (request) => hsms.recover(request.caller, nameOf(request)))
  app.delete('/deletedmanagedhsms/:name', async (request, reply) => {
    await hsms.purge(request.caller, nameOf(request))
    return reply.code(204).send()
  })
  return app
}

const nameOf = (request: Request): string => (request.params as { name: string }).name

function forbidden(objectId: string): ServiceError {
  return new ServiceError({
    code: 'Forbidden',
    status: 403,
    message: 'Only the resource manager manages vaults.',
    expected: 'the principal of the control plane',
    found: objectId,
    remedy: 'Manage vaults through Azure Resource Manager’s wire.',
  })
}
