import type { AnyBootEvidence, AskedSettings, RetrievedEvidence, VerifierSettings } from '@strongroom/contract'
import type { AskedProvider, VmRecord } from '@strongroom/trust'
import { arm, get, list, subscriptionPath, versions } from '../wire/arm.ts'
import { ask } from '../wire/ask.ts'
import { toWireError } from '../wire/wire-error.ts'

/** A machine's last boot, as the resource manager and the host recorded it. */
export interface MachineEvidence {
  id: string
  record: VmRecord
  evidence: AnyBootEvidence
  asked: AskedSettings | undefined
}

/** @throws WireError */
export async function readEvidence(group: string, name: string): Promise<MachineEvidence> {
  const within = `${await subscriptionPath()}/resourceGroups/${encodeURIComponent(group)}`
  const id = `${within}/providers/Microsoft.Compute/virtualMachines/${encodeURIComponent(name)}`
  const record = await get<VmRecord>(id, versions.compute)
  const { body } = await arm<RetrievedEvidence>({
    method: 'POST',
    path: `${id}/retrieveBootEvidence`,
    version: versions.compute,
  })
  const { asked, ...evidence } = body
  return { id, record, evidence, asked }
}

/** Issuer of the provider with this id in the record. */
export async function readProvider(id: string): Promise<AskedProvider> {
  try {
    const { properties } = await get<{ properties?: { attestUri?: string } }>(id, versions.attestation)
    return properties?.attestUri === undefined
      ? { unknown: `${id} is not an attestation provider.` }
      : { issuer: properties.attestUri }
  } catch (error) {
    return { unknown: `The attestation provider ${id} is unavailable: ${toWireError(error).message}` }
  }
}

interface Verifier {
  name: string
  properties: { issuer: string; keysUri: string }
}

/** Providers of other origins named by the operator; empty if the principal may not see them. */
export async function readVerifiers(): Promise<VerifierSettings[]> {
  const path = `${await subscriptionPath()}/providers/Strongroom.Attestation/verifiers`
  const found = await list<Verifier>(path, versions.attestation).catch(() => [])
  return found.map(({ name, properties: { issuer, keysUri: keys } }) => ({ name, issuer, keys, collateral: false }))
}

/** A provider's current keys, from its own address. */
export const fetchKeySet = async (issuer: string): Promise<unknown> => (await ask({ url: `${issuer}/certs` })).body
