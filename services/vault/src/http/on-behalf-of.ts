import { onBehalfOfClaim, onBehalfOfHeader, parseAskedBy } from '@strongroom/contract'
import { ServiceError, type requireBearer } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import { controlPlaneItself } from '../log/who.ts'
import type { Request } from './admission.ts'

/**
 * After the bearer token: the control plane's caller, for the log only. In a header from its own principal, or in the
 * claim of a token that the identity service issued to it.
 * @throws ServiceError 403 Forbidden if anybody else sends the header; 400 BadParameter if it is malformed
 */
export function readAskedBy(controlPlaneObjectId: string): ReturnType<typeof requireBearer> {
  return async (request: Request): Promise<void> => {
    const given = request.headers[onBehalfOfHeader]
    const { caller } = request
    if (caller.objectId === controlPlaneObjectId) {
      const askedBy = given === undefined ? controlPlaneItself.askedBy : parseAskedBy(given)
      if (askedBy === undefined) throw badForm(given)
      request.caller = { ...caller, askedBy }
      return
    }
    if (given !== undefined) throw notYours(caller.objectId)
    const claim = caller.claims[onBehalfOfClaim]
    if (claim === undefined) return
    const askedBy = parseAskedBy(claim)
    if (askedBy === undefined) throw badForm(claim)
    request.caller = { ...caller, askedBy }
  }
}

const badForm = (found: unknown): ServiceError =>
  badParameter('The header that names the original caller is malformed.', {
    target: onBehalfOfHeader,
    expected: '{objectId} {appId}',
    found: shown(found),
  })

const notYours = (objectId: string): ServiceError =>
  new ServiceError({
    code: 'Forbidden',
    message: 'Only the resource manager may call on behalf of others.',
    target: onBehalfOfHeader,
    expected: 'no such header, except from the principal of the control plane',
    found: objectId,
    remedy: `Omit the header ${onBehalfOfHeader}: the log records the token’s principal.`,
  })
