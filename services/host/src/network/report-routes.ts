import { has } from '@strongroom/contract/shape'
import { reportRequest } from '@strongroom/contract/wires'
import { ServiceError, type FastifyInstance } from '@strongroom/platform'
import { userDataBytes, type ReportOnUserData } from '@strongroom/paravisor'

/**
 * `POST /metadata/strongroom/hcl-report`: a new hardware report with the guest's own data, such as a verifier's nonce,
 * instead of Azure's NV 0x01400002. The layout is that of NV 0x01400001.
 */
export function reportRoutes(scope: FastifyInstance, report: ReportOnUserData): void {
  scope.post('/hcl-report', async (request) => {
    const userData = readUserData(request.body)
    return { report: Buffer.from((await report(userData)).hclReport).toString('base64url') }
  })
}

/** @throws ServiceError BadRequest */
export function readUserData(body: unknown): Uint8Array {
  let value: unknown
  try {
    value = JSON.parse(typeof body === 'string' ? body : '')
  } catch {
    // Refused below.
  }
  if (has(reportRequest, value)) {
    const bytes = Buffer.from(value.userData, 'base64url')
    // One value has one text: verifiers compare the claim byte by byte with what was sent.
    if (bytes.length <= userDataBytes && bytes.toString('base64url') === value.userData) return bytes
  }
  throw new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. The body has no user data.',
    target: 'userData',
    expected: `{"userData": "<base64url of 1 to ${userDataBytes} bytes>"}`,
    remedy: 'Send a nonce, or the SHA-256 or SHA-512 of the data to bind.',
  })
}
