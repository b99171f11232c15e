import type { CarriedInstance } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

interface AttestedConfiguration {
  vmUniqueId?: unknown
  'placement-epoch'?: unknown
}

/**
 * Whether the evidence of a boot that a host reports belongs to its VM at its epoch: readers verify the rest, but must
 * not be shown another VM's.
 * @throws ServiceError InvalidRequestContent
 */
export function requireOwnEvidence({ vmId, epoch, evidence }: CarriedInstance): void {
  if (evidence === undefined) return
  const { vmUniqueId, 'placement-epoch': attested } = attestedConfiguration(evidence['runtimeClaims'])
  if (evidence['vmId'] === vmId && vmUniqueId === vmId && attested === epoch) return
  throw new ServiceError({
    code: 'InvalidRequestContent',
    message: 'The evidence that the host sent does not belong to this virtual machine at its current placement.',
    target: 'evidence',
    expected: `claims of ${vmId} at epoch ${epoch}`,
    found: `claims of ${String(vmUniqueId).slice(0, 60)} at epoch ${String(attested).slice(0, 20)}`,
    remedy: 'Send the evidence of the virtual machine’s last boot on this host, or none.',
  })
}

/** @param claims JSON, base64url */
function attestedConfiguration(claims: unknown): AttestedConfiguration {
  try {
    const text = Buffer.from(String(claims), 'base64url').toString('utf8')
    const { 'vm-configuration': configuration } = JSON.parse(text) as { 'vm-configuration'?: AttestedConfiguration }
    return configuration ?? {}
  } catch {
    return {}
  }
}
