import { notAllowed } from '../../../arm/refusals.ts'
import { ServiceError } from '@strongroom/platform'

export function invalidName(name: string): ServiceError {
  return new ServiceError({
    code: 'InvalidResourceName',
    message: `The resource name '${name.slice(0, 90)}' is invalid: a VM's name has 1 to 64 letters, digits, '_', '.' and '-', and does not end with '.' or '-'.`,
    target: 'name',
    found: name.slice(0, 90),
    remedy: 'Use another name.',
  })
}

export const diskExists = (name: string): ServiceError =>
  new ServiceError({
    code: 'ConflictingUserInput',
    message: `Disk ${name} already exists in the resource group.`,
    target: 'properties.storageProfile.osDisk.name',
    remedy: 'Leave the name out.',
  })

export const beingDeleted = (id: string): ServiceError =>
  notAllowed(`The virtual machine ${id} is being deleted.`, { remedy: 'Wait until it is gone.' })
