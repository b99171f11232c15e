import type { AttestationVerifier } from '@strongroom/platform'
import type { Plane } from './plane.ts'
import { isOfType } from '../store/resources.ts'

/*
 * What one provider needs to know about another's resources: the target of an id, judged by type, and what every client
 * that may read it sees.
 */

/** How many identities a resource may name: each is looked up. */
export const mostIdentities = 100

export const userIdentityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'

/** A user-assigned identity as another resource refers to it. */
export interface UserIdentity {
  id: string
  principalId: string
  clientId: string
}

/** The identity that a request refers to; undefined if there is none with this id. */
export async function findUserIdentity(plane: Plane, id: string): Promise<UserIdentity | undefined> {
  const found = await plane.resources.find(id)
  const { principalId, clientId } = found?.body.properties ?? {}
  if (!isOfType(found, userIdentityType) || typeof principalId !== 'string' || typeof clientId !== 'string')
    return undefined
  return { id: found.id, principalId, clientId }
}

export const attestationProviderType = 'Microsoft.Attestation/attestationProviders'

export const verifierType = 'Strongroom.Attestation/verifiers'

/** ARM id of a provider of another origin named by the operator. */
export const verifierId = (plane: Plane, { name }: AttestationVerifier): string =>
  `/subscriptions/${plane.subscriptionId}/providers/${verifierType}/${name}`

/** The provider at an id: a resource, or one of another origin; undefined if there is none. */
export async function findAttestation(plane: Plane, id: string): Promise<{ id: string; uri: string } | undefined> {
  const verifier = plane.verifiers.find((each) => verifierId(plane, each).toLowerCase() === id.toLowerCase())
  if (verifier !== undefined) return { id: verifierId(plane, verifier), uri: verifier.issuer }
  const found = await plane.resources.find(id)
  const uri = found?.body.properties['attestUri']
  return isOfType(found, attestationProviderType) && typeof uri === 'string' ? { id: found.id, uri } : undefined
}
