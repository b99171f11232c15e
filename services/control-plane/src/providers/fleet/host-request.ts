import { hostNameForm, type Tee } from '@strongroom/contract'
import { drainRequest, hostDefinition } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { findRegion } from '../../arm/regions.ts'
import type { NewHost } from '../../fleet/fleet-host.ts'

/** @returns seconds @throws ServiceError InvalidParameter */
export function readNotice(body: unknown): number {
  const { noticeMinutes = 0 } = read(drainRequest, body ?? {}, { code: 'InvalidParameter', subject: 'The request' })
  return noticeMinutes * 60
}

export const everyTee: readonly Tee[] = ['SNP', 'TDX']

/** A PUT's description of a host. @throws ServiceError InvalidParameter with every problem, LocationNotAvailableForResourceType */
export function readHost(name: string, body: unknown): NewHost {
  if (!hostNameForm.test(name))
    throw new ServiceError({
      code: 'InvalidParameter',
      message: `'${name.slice(0, 60)}' is not a valid host name.`,
      target: 'name',
      expected: '1 to 40 of a-z, 0-9 and -, with a letter or digit at both ends',
      found: name.slice(0, 60),
    })
  const {
    location,
    zone,
    tees = everyTee,
    labels = {},
    capacity,
  } = read(hostDefinition, body, {
    code: 'InvalidParameter',
    subject: 'The host',
  })
  const region = findRegion(location)
  if (region === undefined)
    throw new ServiceError({
      code: 'LocationNotAvailableForResourceType',
      message: 'A host must be in a region of this installation.',
      target: 'location',
      expected: 'a region: az account list-locations',
      found: location,
    })
  return { name, region: region.name, zone, tees: everyTee.filter((tee) => tees.includes(tee)), labels, ...capacity }
}
