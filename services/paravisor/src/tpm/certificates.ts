import { attestationKeyUsage, endorsementKeyUsage, placementUnit } from '@strongroom/contract'
import { extendedKeyUsage } from '@strongroom/der'
import type { CertificateUsage, InstallationAuthority } from '@strongroom/platform'

/** Azure guests renew an attestation key's certificate when less than 90 days are left: at each use, if it lasts less. */
const days = 365
/** Under a joined host's epoch: what a host that lost the VM still has ends with them. */
export const hoursAtEpoch = 12

interface VmKey {
  authority: InstallationAuthority
  vmId: string
  /** SubjectPublicKeyInfo. */
  spki: Uint8Array
  /** Of the placement on a joined host, which the certificate names; absent on the server's own host. */
  epoch?: number
}

/** Certifies the attestation key in this VM's vTPM: its usage distinguishes a TPM's keys from the authority's others. @returns PEM */
export async function certifyAttestationKey(o: VmKey): Promise<string> {
  return await certify(o, { name: 'Attestation key', usage: 'digitalSignature', extended: attestationKeyUsage })
}

/** Certifies the endorsement key of this VM's vTPM. @returns PEM */
export async function certifyEndorsementKey(o: VmKey): Promise<string> {
  return await certify(o, { name: 'Endorsement key', usage: 'keyEncipherment', extended: endorsementKeyUsage })
}

async function certify(
  { authority, vmId, spki, epoch }: VmKey,
  { name, usage, extended }: { name: string; usage: CertificateUsage; extended: string },
): Promise<string> {
  return await authority.issueCertificate({
    subject: `CN=${vmId}, OU=${name}${epoch === undefined ? '' : `, OU=${placementUnit(epoch)}`}`,
    publicKey: spki,
    usages: [usage],
    days: epoch === undefined ? days : hoursAtEpoch / 24,
    extensions: [extendedKeyUsage([extended])],
  })
}
