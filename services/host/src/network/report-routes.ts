import { ServiceError, type FastifyInstance } from '@strongroom/platform'
import { userDataBytes } from '../paravisor/claims.ts'
import type { ReportOnUserData } from '../paravisor/power-tpm.ts'

/**
 * `POST /metadata/strongroom/hcl-report`: a new report of the hardware with data of the guest's own, such as a verifier's nonce, in the
 * place of Azure's way by NV 0x01400002. The layout is that of NV 0x01400001.
 */
export function reportRoutes(scope: FastifyInstance, report: ReportOnUserData): void {
  scope.post('/hcl-report', async (request) => {
    const userData = readUserData(request.body)
    return { report: Buffer.from(await report(userData)).toString('base64url') }
  })
}

/** @throws ServiceError BadRequest */
export function readUserData(body: unknown): Uint8Array {
  let userData: unknown
  try {
    const value: unknown = JSON.parse(typeof body === 'string' ? body : '')
    userData = typeof value === 'object' && value !== null ? (value as { userData?: unknown }).userData : undefined
  } catch {
    // Refused below.
  }
  // One value has one text: whoever compares the claim with what was sent compares bytes.
  if (typeof userData === 'string' && /^[A-Za-z0-9_-]{2,86}$/.test(userData)) {
    const bytes = Buffer.from(userData, 'base64url')
    if (bytes.length <= userDataBytes && bytes.toString('base64url') === userData) return bytes
  }
  throw new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. The body has no user data.',
    target: 'userData',
    expected: `{"userData": "<base64url of 1 to ${userDataBytes} bytes>"}`,
    remedy: 'Send a nonce, or the SHA-256 or SHA-512 of what the report is to bind.',
  })
}
