import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Fields } from './fields.ts'

export interface Region {
  name: string
  displayName: string
  regionalDisplayName: string
  /** The code in the region's attestation provider. */
  code: string
  zones: string[]
  /** Size series offered in the region. */
  series: string[]
}

export const regions: Region[] = JSON.parse(readFileSync(join(import.meta.dirname, 'regions.json'), 'utf8')) as Region[]

/** "West Europe" and "westeurope" are the same place. */
export const locationKey = (location: string): string => location.toLowerCase().replaceAll(' ', '')

export const findRegion = (location: string): Region | undefined =>
  regions.find((region) => region.name === locationKey(location))

/** The region's name, or a problem in Azure's words with the text as given. */
export function requireLocation(fields: Fields, location: string): string {
  const region = findRegion(location)
  if (region !== undefined) return region.name
  fields.problem({
    code: location === '' ? 'LocationRequired' : 'LocationNotAvailableForResourceType',
    message:
      location === ''
        ? 'The location property is required for this definition.'
        : `The provided location '${location.slice(0, 60)}' is not available for this resource type. List of ` +
          `available regions for the resource type is '${regions.map((r) => r.name).join(',')}'.`,
    target: 'location',
    expected: regions.map((r) => r.name).join(', '),
    found: location.slice(0, 60),
    remedy: 'Use a region of this installation.',
    ...(location !== '' && { rule: 'S24' as const }),
  })
  return location
}
