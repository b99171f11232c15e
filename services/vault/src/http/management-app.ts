import {
  loginHost,
  managedHsmVaultName,
  vaultManagementApiVersion,
  vaultManagementAudience,
} from '@strongroom/contract'
import { vaultManagementWire, vmFirmware, vmId } from '@strongroom/contract/wires'
import {
  createHttpApp,
  read,
  requireBearer,
  serveWire,
  ServiceError,
  type Caller,
  type Logger,
  type TokenVerifier,
} from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import type { Hsms } from '../hsm/hsms.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { whoOf } from '../log/who.ts'
import type { VmFirmware } from '../release/vm-firmware.ts'
import type { VmSettings } from '../release/vm-settings.ts'
import type { Vaults } from '../vaults/vaults.ts'
import { isLoggedRefusal, type App, type Request } from './admission.ts'
import { readAskedBy } from './on-behalf-of.ts'
import { addObjectManagementRoutes, type ManagedObjects } from './object-management-routes.ts'
import type { RateLimits } from './rate-limits.ts'

/**
 * The wire on which the resource manager creates, changes and deletes vaults, and creates their contents from
 * templates. No other caller is accepted.
 */
export function createManagementApp(o: {
  vaults: Vaults
  hsms: Hsms
  objects: ManagedObjects
  /** Absent if the installation lists no firmware. */
  firmware: VmFirmware | undefined
  settings: VmSettings
  log: OperationLog
  /** Undefined disables counting. */
  rates: RateLimits | undefined
  verifier: TokenVerifier
  controlPlaneObjectId: string
  tenantId: string
  logger: Logger
}): App {
  // Fits a vault with its thousand policies and ten thousand grants.
  const app = createHttpApp({ name: 'vault-management', logger: o.logger, bodyLimit: 8 * 1024 * 1024 })
  serveWire(app, vaultManagementWire)
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

  /** Refusals on an existing vault are in its log, like refused uses of its keys. */
  const recorded = async <T>(
    request: Request,
    of: { known: Vaults | Hsms; operation: string },
    work: (caller: Request['caller'], name: string) => Promise<T>,
  ): Promise<T> => {
    const name = nameOf(request)
    try {
      return await work(request.caller, name)
    } catch (error) {
      if (!isLoggedRefusal(error) || !(await of.known.isKnown(name))) throw error
      const vault = of.known === hsms ? managedHsmVaultName(name.toLowerCase()) : name.toLowerCase()
      // As in `admit`: nobody fills a vault's log without end.
      o.rates?.take(vault, 'refusals')
      const { operation } = of
      const entry = { ...whoOf(request.caller), operation, vault, keyName: '', code: error.code }
      await o.log.append({ ...entry, verdict: 'refused' })
      throw error
    }
  }
  const ofVault = (verb: string) => ({ known: vaults, operation: `vault/${verb}` })
  const ofHsm = (verb: string) => ({ known: hsms, operation: `hsm/${verb}` })

  app.put('/vaults/:name', async (request, reply) => {
    const put = (caller: Caller, name: string) => vaults.put(caller, name, request.body)
    const { record, created } = await recorded(request, ofVault('update'), put)
    return reply.code(created ? 201 : 200).send(record)
  })
  app.get('/vaults/:name', async (request) => vaults.get(nameOf(request)))
  app.delete('/vaults/:name', (request) => recorded(request, ofVault('delete'), (by, name) => vaults.delete(by, name)))
  addObjectManagementRoutes(app, { vaults, objects: o.objects, recorded })
  app.get('/availability/:name', async (request) => vaults.availability(nameOf(request)))
  app.get('/deletedvaults', async () => ({ value: await vaults.listDeleted() }))
  app.get('/deletedvaults/:name', async (request) => vaults.getDeleted(nameOf(request)))
  app.post('/deletedvaults/:name/recover', (request) =>
    recorded(request, ofVault('recover'), (by, name) => vaults.recover(by, name)),
  )
  app.delete('/deletedvaults/:name', async (request, reply) => {
    await recorded(request, ofVault('purge'), (by, name) => vaults.purge(by, name))
    return reply.code(204).send()
  })

  app.put('/managedhsms/:name', async (request, reply) => {
    const put = (caller: Caller, name: string) => hsms.put(caller, name, request.body)
    const { record, created } = await recorded(request, ofHsm('update'), put)
    return reply.code(created ? 201 : 200).send(record)
  })
  app.get('/managedhsms/:name', async (request) => hsms.get(nameOf(request)))
  app.delete('/managedhsms/:name', (request) => recorded(request, ofHsm('delete'), (by, name) => hsms.delete(by, name)))
  app.get('/hsmavailability/:name', async (request) => hsms.availability(nameOf(request)))
  app.get('/deletedmanagedhsms', async () => ({ value: await hsms.listDeleted() }))
  app.get('/deletedmanagedhsms/:name', async (request) => hsms.getDeleted(nameOf(request)))
  app.post('/deletedmanagedhsms/:name/recover', (request) =>
    recorded(request, ofHsm('recover'), (by, name) => hsms.recover(by, name)),
  )
  app.delete('/deletedmanagedhsms/:name', async (request, reply) => {
    await recorded(request, ofHsm('purge'), (by, name) => hsms.purge(by, name))
    return reply.code(204).send()
  })

  const vmIdOf = (request: Request): string =>
    read(vmId, (request.params as { vmId: string }).vmId, { code: 'BadParameter', subject: 'The id of the VM' })
  app.put('/vms/:vmId/firmware', async (request) => {
    const rule = read(vmFirmware, request.body, { code: 'BadParameter', subject: 'The firmware of the VM' })
    await o.firmware?.set(request.caller, vmIdOf(request), rule)
    return rule
  })
  app.delete('/vms/:vmId/firmware', async (request, reply) => {
    await o.firmware?.forget(request.caller, vmIdOf(request))
    // The VM is deleted: nothing is kept of it.
    await o.settings.forget(vmIdOf(request))
    return reply.code(204).send()
  })
  return app
}

const nameOf = (request: Request): string => (request.params as { name: string }).name

function forbidden(objectId: string): ServiceError {
  return new ServiceError({
    code: 'Forbidden',
    message: 'Only the resource manager manages vaults.',
    expected: 'the principal of the control plane',
    found: objectId,
    remedy: 'Manage vaults through Azure Resource Manager’s wire.',
  })
}
