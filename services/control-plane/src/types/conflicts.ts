import { ServiceError } from '@strongroom/platform'
import type { Resource } from '../store/resources.ts'

/** @param what for example vault */
export const beingMade = (what: string, name: string): ServiceError =>
  new ServiceError({
    code: 'Conflict',
    message: `The ${what} '${name}' is being created by another request.`,
    remedy: 'Repeat the request.',
  })

export const changedMeanwhile = (id: string): ServiceError =>
  new ServiceError({
    code: 'Conflict',
    message: `Another request changed ${id} at the same time.`,
    remedy: 'Repeat the request.',
  })

/** A resource stays in its region. @throws ServiceError InvalidResourceLocation */
export function assertSameLocation({ name, location }: Pick<Resource, 'name' | 'location'>, found: string): void {
  if (location === found) return
  throw new ServiceError({
    code: 'InvalidResourceLocation',
    message:
      `The resource '${name}' already exists in location '${location}' in this resource group. A resource with the ` +
      `same name cannot be created in location '${found}'.`,
    target: 'location',
    expected: location,
    found,
    remedy: 'Leave the location as it is.',
  })
}
