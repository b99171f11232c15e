import { attestationKeyUsage, endorsementKeyUsage } from '@strongroom/contract'
import { extendedKeyUsage } from '@strongroom/der'
import type { InstallationAuthority } from '@strongroom/platform'

/** Guests of Azure renew an attestation key's certificate when less than 90 days are left. */
const days = 365

/** Says that the key is the attestation key in this VM's vTPM: verifiers tell a TPM's keys from the authority's others by their usage. @param o.spki SubjectPublicKeyInfo @returns PEM */
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
    extensions: [extendedKeyUsage([endorsementKeyUsage])],
  })
}
