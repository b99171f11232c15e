import type { Link } from '../../arm/access.ts'
import type { Problem } from '../../arm/fields.ts'
import { availability } from '../../providers/compute/availability-set/membership.ts'
import { galleryProblems, specialise } from '../../providers/compute/gallery/gallery-rules.ts'
import { resolveImage } from '../../providers/compute/image/images.ts'
import type { ResolvedImage } from '../../providers/compute/image/resolved/resolved-image.ts'
import { scaling } from '../../providers/compute/scale-set/membership.ts'
import { resolveMembership } from '../../providers/compute/vm/set-membership.ts'
import { resolveProvider } from '../../providers/compute/vm/model/vm-attestation.ts'
import { imageOfBackup } from '../../providers/compute/vm/model/vm-restore.ts'
import { resolveIdentities } from '../../providers/compute/vm/model/vm-identity.ts'
import type { AttestationProvider } from '../../providers/compute/vm/model/vm-model.ts'
import type { Plane } from '../../types/plane.ts'
import type { Resource } from '../../store/resources.ts'
import type { UserIdentity } from '../../types/references.ts'
import { resolveSet } from '../vm/vm-set.ts'
import type { ReadVm } from './read.ts'

/** What a request's names resolve to. An existing VM keeps its image, provider and sets. */
export interface ResolvedVm {
  named?: ResolvedImage
  /** Host name, account and keys come from the image. */
  specialised: boolean
  provider?: AttestationProvider
  set?: { id: string }
  availabilitySet?: { id: string }
  scaleSet?: { id: string }
  identities: UserIdentity[]
  /** Rights needed to assign new identities. */
  identityLinks: Link[]
  /** In request order; undefined for missing ones. */
  nics: (Resource | undefined)[]
  /** For names that resolve to nothing. */
  problems: Problem[]
}

/** Only reads: nothing the caller may not see is revealed before authorisation. */
export async function resolveVm(plane: Plane, id: string, { name, existing, wanted }: ReadVm): Promise<ResolvedVm> {
  const made = existing === undefined
  const image = made ? await imageOf(plane, wanted) : undefined
  const named = image !== undefined && 'image' in image ? image : undefined
  const specialised = specialise(wanted, named?.gallery, name)
  const verifier = made ? await resolveProvider(plane, wanted.attestationProviderId) : {}
  const encryption = made ? await resolveSet(plane, wanted) : {}
  const beside = made ? await resolveMembership(plane, availability, id, wanted, wanted.availabilitySetId) : {}
  const within = made ? await resolveMembership(plane, scaling, id, wanted, wanted.scaleSetId) : {}
  const { identities, problems, links } = await resolveIdentities(plane, wanted.identity, existing?.internal.model)
  return {
    ...(named !== undefined && { named }),
    specialised,
    ...('provider' in verifier && { provider: verifier.provider }),
    ...('set' in encryption && { set: encryption.set }),
    ...('set' in beside && { availabilitySet: beside.set }),
    ...('set' in within && { scaleSet: within.set }),
    identities,
    identityLinks: links,
    nics: await Promise.all(wanted.nics.map(async ({ id }) => await plane.resources.find(id))),
    problems: [
      ...(image !== undefined && 'problem' in image ? [image.problem] : []),
      ...galleryProblems(wanted, named?.gallery),
      ...('problem' in verifier ? [verifier.problem] : []),
      ...('problems' in encryption ? encryption.problems : []),
      ...('problems' in beside ? beside.problems : []),
      ...('problems' in within ? within.problems : []),
      ...problems,
    ],
  }
}

async function imageOf(
  plane: Plane,
  { image, location, restore }: ReadVm['wanted'],
): Promise<ResolvedImage | { problem: Problem } | undefined> {
  if (restore !== undefined) return { image: imageOfBackup(restore) }
  return image === undefined ? undefined : await resolveImage(plane, image, { strict: plane.strictImages, location })
}
