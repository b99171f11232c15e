import { hostNameForm, type Tee } from '@strongroom/contract'
import { Fields } from '../arm/fields.ts'
import { findRegion } from '../arm/regions.ts'
import type { NewHost } from './fleet-host.ts'

const mostCores = 4096
const mostMemoryMiB = 64 * 1024 * 1024
const tees: readonly Tee[] = ['SNP', 'TDX']

/** What a PUT says of a host. @throws ServiceError with every problem */
export function readHost(name: string, body: unknown): NewHost {
  const fields = new Fields(body)
  if (!hostNameForm.test(name))
    fields.problem({
      code: 'InvalidParameter',
      message: `'${name.slice(0, 60)}' is no name of a host.`,
      target: 'name',
      expected: '1 to 40 of a-z, 0-9 and -, with a letter or digit at both ends',
      found: name.slice(0, 60),
    })
  const region = findRegion(fields.text('location') ?? '')
  if (region === undefined)
    fields.problem({
      code: 'LocationNotAvailableForResourceType',
      message: 'A host is in a region of this installation.',
      target: 'location',
      expected: 'a region: az account list-locations',
      found: (fields.text('location') ?? 'none').slice(0, 60),
    })
  const zone = fields.text('zone')
  if (zone !== undefined && !['1', '2', '3'].includes(zone))
    fields.problem({
      code: 'InvalidParameter',
      message: 'A zone is 1, 2 or 3.',
      target: 'zone',
      expected: '1, 2 or 3',
      found: zone.slice(0, 60),
    })
  const capacity = fields.object('capacity')
  const vCPUs = capacity.integer('vCPUs', 1, mostCores)
  const memoryMiB = capacity.integer('memoryMiB', 1024, mostMemoryMiB)
  for (const member of ['vCPUs', 'memoryMiB'])
    if (!capacity.has(member))
      fields.problem({
        code: 'InvalidParameter',
        message: `A host has a capacity: capacity.${member} is missing.`,
        target: `capacity.${member}`,
        expected: 'a whole number',
        found: 'none',
      })
  const named = fields.has('tees') ? fields.texts('tees').map((each) => each.toUpperCase()) : [...tees]
  const known = tees.filter((tee) => named.includes(tee))
  if (named.some((each) => !tees.some((tee) => tee === each)))
    fields.problem({
      code: 'InvalidParameter',
      message: 'A host has processors of kinds that there are.',
      target: 'tees',
      expected: 'SNP, TDX, both or none',
      found: named.join(', ').slice(0, 60),
    })
  const labels = fields.textMap('labels') ?? {}
  fields.assertSound()
  return { name, region: region!.name, zone, tees: known, labels, vCPUs: vCPUs!, memoryMiB: memoryMiB! }
}
