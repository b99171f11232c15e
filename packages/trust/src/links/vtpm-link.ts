import { attestationKeyUsage, type BootFacts } from '@strongroom/contract'
import {
  attestationKeyOf,
  describeKey,
  describeName,
  equal,
  fromBase64Url,
  parseHclReport,
  parsePem,
  parseRuntimeClaims,
  requireSameKey,
  toHex,
  verifyHclBinding,
  type Certificate,
  type RuntimeClaims,
  type TpmPublicKey,
  type TrustAnchor,
} from '@strongroom/evidence'
import { derive, same, type Known } from '../provenance/known.ts'
import type { Proof } from '../provenance/link.ts'
import { certifiedBy } from '../provenance/signed.ts'
import { attestedKey } from '../provenance/vtpm.ts'
import { vmIdOfClaims } from './claims-link.ts'
import type { SiliconFinding } from './silicon-link.ts'

/**
 * The AK that quotes is the one bound by the attested claims and by the vTPM's report, and certified by the installation.
 * @returns TPM2B_PUBLIC
 */
export async function vtpmLink(
  { vtpm }: Pick<BootFacts, 'vtpm'>,
  seen: { silicon: SiliconFinding; claims: Known<RuntimeClaims> },
  /** `at`: the time at which certificates are judged. */
  o: { certificate: Certificate; root: TrustAnchor; at: Date; proof: Proof },
): Promise<Known<Uint8Array>> {
  const { proof } = o
  const { silicon, claims } = seen
  const akPublic = fromBase64Url(vtpm.akPublic)
  const ak = attestedKey(akPublic, claims)
  const report = parseHclReport(fromBase64Url(vtpm.hclReport))
  await verifyHclBinding(report)
  const sibling = await silicon.verifySibling(report.hardwareReport)
  proof.demand({
    holds: same(sibling.measurement.map(toHex), silicon.measurement.map(toHex)),
    message: "The vTPM's report belongs to another guest.",
    expected: toHex(silicon.measurement.value),
    actual: toHex(sibling.measurement.value),
  })
  requireSameKey(akPublic, attestationKeyOf(parseRuntimeClaims(report.claims)))
  const attested = claims.map(attestationKeyOf)
  const certificate = await certifiedBy(parsePem(vtpm.akCertificatePem)[0] ?? new Uint8Array(), o)
  proof.demand({
    holds: derive([certificate, attested], isFor),
    message: 'The AK certificate is for another key.',
    expected: describeKey(attested.value),
    actual: certificate.value.publicKey.kind,
  })
  proof.demand({
    // The CA certifies TLS and release keys as well: only a certificate for attestation keys qualifies.
    holds: certificate.map(
      ({ extendedKeyUsage: [usage, ...more] = [] }) => usage === attestationKeyUsage && more.length === 0,
    ),
    message: 'The certificate is not for an attestation key.',
    expected: `extended key usage ${attestationKeyUsage} alone`,
    actual: certificate.value.extendedKeyUsage?.join(', ') || 'none',
  })
  const [name, vmId] = [certificate.map(({ subject }) => subject.commonName), vmIdOfClaims(claims)]
  proof.demand({
    holds: derive([name, vmId], (found, wanted) => found === wanted),
    message: 'The AK certificate belongs to another VM.',
    expected: vmId.value,
    actual: name.value ?? 'no name',
  })
  const subject = certificate.map((of) => describeName(of.subject))
  proof.proves`AK ${attested.map(describeKey)} in attested claims, HCL report and certificate (${subject})`
  return ak
}

const isFor = ({ publicKey }: Certificate, key: TpmPublicKey): boolean =>
  publicKey.kind === 'RSA' && key.kind === 'rsa' && equal(publicKey.modulus, key.modulus)
