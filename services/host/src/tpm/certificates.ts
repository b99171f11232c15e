import { attestationKeyUsage, endorsementKeyUsage } from '@strongroom/contract'
import { extendedKeyUsage } from '@strongroom/der'
import type { InstallationAuthority } from '@strongroom/platform'

/** Azure guests renew an attestation key's certificate when less than 90 days are left. */
const days = 365

/**
 * Certifies the attestation key in this VM's vTPM: its usage distinguishes a TPM's keys from the authority's others.
 * @param o.spki SubjectPublicKeyInfo @returns PEM
 */
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
    extensions: [extendedKeyUsage([attestationKeyUsage])],
  })
}

/** Certifies the endorsement key of this VM's vTPM. @param o.spki SubjectPublicKeyInfo @returns PEM */
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
    extensions: [extendedKeyUsage([endorsementKeyUsage])],
  })
}
