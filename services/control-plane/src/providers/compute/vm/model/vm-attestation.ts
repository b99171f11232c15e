import { homeRegion, sharedAttestationHost } from '@strongroom/contract'
import { noSuch } from '../../../../arm/refusals.ts'
import type { Link } from '../../../../arm/access.ts'
import type { Problem } from '../../../../arm/fields.ts'
import { attestationProviderType, findAttestation, verifierType } from '../../../../types/references.ts'
import type { Plane } from '../../../../types/plane.ts'
import { findRegion } from '../../../../arm/regions.ts'
import type { AttestationProvider, VmModel } from './vm-model.ts'

const target = 'properties.securityProfile.attestationProvider.id'

/** The provider whose token opens the VM's guest state, for example https://sharedweu.weu.attest.strongroom.internal. */
export function attestationUri(model: Pick<VmModel, 'attestationProvider' | 'location'>): string {
  const code = findRegion(model.location)?.code ?? homeRegion.code
  return model.attestationProvider?.uri ?? `https://${sharedAttestationHost(code)}`
}

/** Naming a provider requires the right to see it. */
export function providerLinks(id: string | undefined): Link[] {
  if (id === undefined) return []
  const isVerifier = id.toLowerCase().includes(`/providers/${verifierType.toLowerCase()}/`)
  return [{ id, action: `${isVerifier ? verifierType : attestationProviderType}/read` }]
}

/** The provider that a new VM names: a resource, or one of another origin named by the operator. */
export async function resolveProvider(
  plane: Plane,
  id: string | undefined,
): Promise<{ provider?: AttestationProvider } | { problem: Problem }> {
  if (id === undefined) return {}
  const provider = await findAttestation(plane, id)
  if (provider !== undefined) return { provider }
  const type = `${attestationProviderType} or ${verifierType}`
  const remedy = 'Create the provider first, or omit it to use the region’s shared one.'
  return { problem: noSuch('attestation provider', id, { target, type, remedy }) }
}
