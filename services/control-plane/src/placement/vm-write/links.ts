import type { Link } from '../../arm/access.ts'
import { availabilityLinks } from '../../providers/compute/availability-set/membership.ts'
import { scaleSetLinks } from '../../providers/compute/scale-set/membership.ts'
import { versionType } from '../../providers/compute/disk/stored/stored-disk.ts'
import { providerLinks } from '../../providers/compute/vm/vm-attestation.ts'
import { diskType, type VmModel } from '../../providers/compute/vm/vm-model.ts'
import type { VmRequest } from '../../providers/compute/vm/vm-request.ts'
import type { Plane } from '../../plane.ts'
import { nicLinks } from '../vm-network.ts'
import { setLinks } from '../vm-set.ts'
import type { ResolvedVm } from './resolve.ts'
import type { ReadVm } from './read.ts'

/**
 * Everything a request refers to elsewhere, with the rights its caller needs there. An existing VM keeps its image,
 * provider and sets: only disks, interfaces and identities can be new.
 */
export function linksOf(plane: Plane, { existing, wanted }: ReadVm, resolved: ResolvedVm): Link[] {
  const model = existing?.internal.model
  const made = model === undefined
  return [
    ...(made ? setLinks(wanted.diskEncryptionSetId) : []),
    ...diskLinks(wanted, model),
    ...nicLinks(wanted.nics, model),
    ...(made ? imageLinks(plane, resolved) : []),
    ...(made ? providerLinks(wanted.attestationProviderId) : []),
    ...(made ? availabilityLinks(wanted.availabilitySetId) : []),
    ...(made ? scaleSetLinks(wanted.scaleSetId) : []),
    ...resolved.identityLinks,
  ]
}

/** Imported images belong to their owners; the reference image is for everybody. */
function imageLinks(plane: Plane, { named }: ResolvedVm): Link[] {
  if (named?.gallery !== undefined) return [{ id: named.gallery.versionId, action: `${versionType}/read` }]
  if (named?.image.source !== 'import') return []
  const id = `/subscriptions/${plane.subscriptionId}/providers/Strongroom.Machine/images/${named.image.id}`
  return [{ id, action: 'Strongroom.Machine/images/read' }]
}

/** Attaching a disk that is new to the VM requires a role at the disk. */
function diskLinks(r: VmRequest, before: VmModel | undefined): Link[] {
  const held = new Set((before?.dataDisks ?? []).map((disk) => disk.id?.toLowerCase()))
  return r.dataDisks.flatMap(({ id }) =>
    id === undefined || held.has(id.toLowerCase()) ? [] : [{ id, action: `${diskType}/write` }],
  )
}
