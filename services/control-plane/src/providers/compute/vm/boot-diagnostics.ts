import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { managementHost } from '@strongroom/contract'
import { ServiceError, type FastifyInstance } from '@strongroom/platform'
import { ok, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Vm } from './model/vm-model.ts'

/** Azure's default, in minutes. */
const defaultMinutes = 120

/** Signs this process's addresses, which expire with it. */
const key = randomBytes(32)

const path = '/bootDiagnostics'

const signatureOf = (vmId: string, expires: string): Buffer =>
  createHmac('sha256', key).update(`${vmId}\n${expires}`).digest()

/** The right to the log includes an address that shows it for a while, like a storage account's shared access signature. */
export async function retrieveBootDiagnosticsData(plane: Plane, request: ArmRequest, vm: Vm): Promise<ArmReply> {
  if (vm.internal.model.bootDiagnostics !== true) throw notEnabled(vm.name)
  const minutes = Number(request.query['sasuriexpirationtimeinminutes'] ?? defaultMinutes)
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > 1440) throw invalidMinutes()
  const expires = new Date(plane.clock.now().getTime() + minutes * 60_000).toISOString()
  const vmId = vm.internal.vmId.toLowerCase()
  const sig = signatureOf(vmId, expires).toString('base64url')
  const query = new URLSearchParams({ se: expires, sig }).toString()
  return ok({
    // The host would take a screenshot from the guest's memory: there is none, as on Azure.
    consoleScreenshotBlobUri: null,
    serialConsoleLogBlobUri: `https://${managementHost}${path}/${vmId}/${vm.name}.serialconsole.log?${query}`,
  })
}

/** The log behind such an address, for anyone who has it. */
export function serveBootDiagnostics(app: FastifyInstance, plane: Plane): void {
  app.get<{ Params: { vmId: string }; Querystring: { se?: unknown; sig?: unknown } }>(
    `${path}/:vmId/:file`,
    async (request, reply) => {
      const { se, sig } = request.query
      const { vmId } = request.params
      if (typeof se !== 'string' || typeof sig !== 'string' || !isGenuine(vmId, se, sig)) throw forbidden()
      if (!(Date.parse(se) > plane.clock.now().getTime())) throw forbidden()
      const log = await plane.host.serialLog(vmId.toUpperCase())
      if (log === undefined)
        throw new ServiceError({ code: 'BlobNotFound', status: 404, message: 'The virtual machine no longer exists.' })
      return await reply.type('text/plain; charset=utf-8').send(log)
    },
  )
}

function isGenuine(vmId: string, expires: string, sig: string): boolean {
  const [wanted, given] = [signatureOf(vmId, expires), Buffer.from(sig, 'base64url')]
  return wanted.length === given.length && timingSafeEqual(wanted, given)
}

const notEnabled = (name: string): ServiceError =>
  new ServiceError({
    code: 'BootDiagnosticsNotEnabled',
    message: `Boot diagnostics are not enabled on '${name}'.`,
    target: 'properties.diagnosticsProfile.bootDiagnostics.enabled',
    expected: 'true',
    found: 'false',
    remedy: `az vm boot-diagnostics enable -n ${name} -g GROUP`,
  })

const invalidMinutes = (): ServiceError =>
  new ServiceError({
    code: 'InvalidParameter',
    message: 'sasUriExpirationTimeInMinutes is out of range.',
    target: 'sasUriExpirationTimeInMinutes',
    expected: 'a whole number from 1 to 1440',
    remedy: `Leave it out for ${defaultMinutes}.`,
  })

const forbidden = (): ServiceError =>
  new ServiceError({
    code: 'AuthenticationFailed',
    status: 403,
    message: 'The signature of this address is invalid or has expired.',
    expected: 'an address from retrieveBootDiagnosticsData',
    remedy: 'Get another one: az vm boot-diagnostics get-boot-log-uris.',
  })
