import type { Problem } from '../../arm/fields.ts'
import { dataDiskProblems } from '../../providers/compute/disk/data-disks.ts'
import { guestProblems } from '../../providers/compute/vm/guest-rules.ts'
import { imageTarget } from '../../providers/compute/image/resolved/resolved-image.ts'
import { findSize } from '../../providers/compute/size/sizes.ts'
import { securityProblems } from '../../providers/compute/vm/vm-rules.ts'
import { networkProblems } from '../vm/vm-network-rules.ts'
import type { ReadVm } from './read.ts'
import type { ResolvedVm } from './resolve.ts'

/** Every fault of a request at once; the first is the answer's code. */
export function judgeVm(vmId: string, { existing, wanted }: ReadVm, resolved: ResolvedVm): Problem[] {
  const image = resolved.named?.image
  const guest = guestProblems(wanted, { image, specialised: resolved.specialised })
  return [
    ...wanted.fields.problems,
    ...securityProblems(wanted, image),
    ...dataDiskProblems(wanted.dataDisks, findSize(wanted.vmSize ?? '')),
    ...resolved.problems,
    // An existing VM's image is the one it was created from, whatever happened to that image since.
    ...guest.filter(({ target }) => existing === undefined || target !== imageTarget || wanted.image === undefined),
    ...networkProblems(wanted, resolved.nics, vmId),
  ]
}
