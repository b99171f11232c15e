import type { Link } from '../../arm/access.ts'
import { availabilityLinks } from '../../providers/compute/availability-set/membership.ts'
import { scaleSetLinks } from '../../providers/compute/scale-set/membership.ts'
import { computeImageLinks, imageLinks } from '../../providers/compute/image/image-links.ts'
import { identityLinks } from '../../providers/compute/vm/model/vm-identity.ts'
import { providerLinks } from '../../providers/compute/vm/model/vm-attestation.ts'
import { diskType, type VmModel } from '../../providers/compute/vm/model/vm-model.ts'
import type { VmRequest } from '../../providers/compute/vm/model/requested-vm.ts'
import type { Plane } from '../../types/plane.ts'
import { nicLinks } from '../vm/vm-network.ts'
import { setLinks } from '../vm/vm-set.ts'
import type { ResolvedVm } from './resolve.ts'
import type { ReadVm } from './read.ts'

/**
 * Everything a request names elsewhere, with the rights its caller needs there: required before any of it is looked up, so
 * that nobody learns what there is. An existing VM keeps its image, provider and sets: only disks, interfaces and
 * identities can be new.
 */
export function linksOf({ existing, wanted }: ReadVm): Link[] {
  const model = existing?.internal.model
  const made = model === undefined
  return [
    ...(made ? setLinks(wanted.diskEncryptionSetId) : []),
    ...diskLinks(wanted, model),
    ...nicLinks(wanted.nics, model),
    ...(made ? computeImageLinks(wanted.image) : []),
    ...(made ? providerLinks(wanted.attestationProviderId) : []),
    ...(made ? availabilityLinks(wanted.availabilitySetId) : []),
    ...(made ? scaleSetLinks(wanted.scaleSetId) : []),
    ...identityLinks(wanted.identity, model),
  ]
}

/** What takes a right once it is known which resource is named. */
export const resolvedLinks = (plane: Plane, { existing, wanted }: ReadVm, resolved: ResolvedVm): Link[] => [
  ...(existing === undefined ? imageLinks(plane, wanted.image, resolved.named) : []),
  ...resolved.identityLinks,
]

/** Attaching a disk that is new to the VM requires a role at the disk. */
function diskLinks(r: VmRequest, before: VmModel | undefined): Link[] {
  const held = new Set((before?.dataDisks ?? []).map((disk) => disk.id?.toLowerCase()))
  return r.dataDisks.flatMap(({ id }) =>
    id === undefined || held.has(id.toLowerCase()) ? [] : [{ id, action: `${diskType}/write` }],
  )
}
