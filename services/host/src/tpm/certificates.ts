import { attestationKeyUsage, endorsementKeyUsage } from '@strongroom/contract'
import type { InstallationAuthority } from '@strongroom/platform'

/** Guests of Azure renew an attestation key's certificate when less than 90 days are left. */
const days = 365

/** ExtKeyUsageSyntax (RFC 5280 section 4.2.1.12) with one usage: verifiers tell a TPM's keys from the authority's others by it. */
const usages: Record<string, Uint8Array> = {
  [attestationKeyUsage]: Uint8Array.from(Buffer.from('300706056781050803', 'hex')),
  [endorsementKeyUsage]: Uint8Array.from(Buffer.from('300706056781050801', 'hex')),
}
const extendedKeyUsage = (usage: string): { oid: string; value: Uint8Array } => ({
  oid: '2.5.29.37',
  value: usages[usage]!,
})

/** Says that the key is the attestation key in this VM's vTPM. @param o.spki SubjectPublicKeyInfo @returns PEM */
export async function certifyAttestationKey(o: {
  authority: InstallationAuthority
  vmId: string
  spki: Uint8Array
}): Promise<string> {
  return await o.authority.issueCertificate({
    subject: `CN=${o.vmId}, OU=Attestation key`,
    publicKey: o.spki,
    usages: ['digitalSignature'],
    days,
    extensions: [extendedKeyUsage(attestationKeyUsage)],
  })
}

/** Says that the key is the endorsement key of this VM's vTPM. @param o.spki SubjectPublicKeyInfo @returns PEM */
export async function certifyEndorsementKey(o: {
  authority: InstallationAuthority
  vmId: string
  spki: Uint8Array
}): Promise<string> {
  return await o.authority.issueCertificate({
    subject: `CN=${o.vmId}, OU=Endorsement key`,
    publicKey: o.spki,
    usages: ['keyEncipherment'],
    days,
    extensions: [extendedKeyUsage(endorsementKeyUsage)],
  })
}
