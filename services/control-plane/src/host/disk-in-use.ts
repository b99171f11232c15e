import { ServiceError } from '@strongroom/platform'

export const diskInUse = (disk: string, holder: string): ServiceError =>
  new ServiceError({
    code: 'DataDiskInUse',
    message: `The disk ${disk} is a data disk of VM ${holder}.`,
    target: 'dataDisks',
    expected: 'a disk that no other VM uses',
    found: holder,
    remedy: 'Detach it there first: az vm disk detach.',
  })
