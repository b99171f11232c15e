import { ServiceError } from '@strongroom/platform'
import type { Resource } from '../store/resources.ts'
import type { ArmRequest } from './request.ts'

type Tagged = Pick<Resource, 'etag'>

/** RFC 9110 section 13.1 for one resource. @throws ServiceError 412 PreconditionFailed */
export function checkPreconditions(request: ArmRequest, existing: Tagged | undefined): void {
  const header = (name: string): string | undefined => {
    const value = request.headers[name]
    return Array.isArray(value) ? value.join(',') : value
  }
  const current = existing === undefined ? [] : [`W/"${existing.etag}"`, `"${existing.etag}"`, existing.etag]
  const matches = (list: string): boolean => {
    if (list.trim() === '*') return existing !== undefined
    return list.split(',').some((tag) => current.includes(tag.trim()))
  }
  const match = header('if-match')
  const noneMatch = header('if-none-match')
  if (match !== undefined && !matches(match)) throw failed('If-Match', match, existing)
  if (noneMatch !== undefined && request.method !== 'GET' && matches(noneMatch))
    throw failed('If-None-Match', noneMatch, existing)
}

function failed(name: string, given: string, existing: Tagged | undefined): ServiceError {
  return new ServiceError({
    code: 'PreconditionFailed',
    message: `The condition '${name}' set in the request was not met.`,
    expected: `${name}: ${given.slice(0, 120)}`,
    found: existing === undefined ? 'no such resource' : `W/"${existing.etag}"`,
    remedy: 'Read the resource again and apply the change to its current state.',
  })
}
