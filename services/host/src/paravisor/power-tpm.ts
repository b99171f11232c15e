import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import type { BootEvidence, InstanceSpec } from '@strongroom/contract'
import { buildHclReport, parsePem } from '@strongroom/evidence'
import { ServiceError, type InstallationAuthority } from '@strongroom/platform'
import { certifyAttestationKey, certifyEndorsementKey } from '../tpm/certificates.ts'
import { writeNvIndices } from '../tpm/nv-indices.ts'
import { readIdentity, type TpmIdentity } from '../tpm/manufacture.ts'
import { startSwtpm, stopSwtpm, swtpmVersion, type Startup, type Swtpm } from '../tpm/swtpm.ts'
import type { TpmDirectory } from '../tpm/tpm-directory.ts'
import { vtpmClaims } from './claims.ts'
import type { LaunchedVm } from './silicon.ts'

/** A report of this launch over the attestation key and optionally up to 64 bytes of guest data; as in NV 0x01400001. */
export type ReportOnUserData = (userData?: Uint8Array) => Promise<Uint8Array>

/** Binds one boot's vTPM to the hardware's report, certifies its keys, and starts it for QEMU. @throws ServiceError VtpmChanged */
export async function powerTpm(i: {
  o: { spec: InstanceSpec; runtimeDir: string; authority: InstallationAuthority; vtpm?: Startup }
  launched: LaunchedVm
  directory: TpmDirectory
  identity: Pick<TpmIdentity, 'akSpki' | 'ekSpki'>
}): Promise<{ tpm: Swtpm; evidence: BootEvidence['vtpm']; report: ReportOnUserData }> {
  const { o } = i
  const reportOn: ReportOnUserData = async (userData) => {
    const claims = vtpmClaims({ spec: o.spec, akSpki: i.identity.akSpki, ...(userData && { userData }) })
    const { bytes } = await i.launched.report(claims)
    return buildHclReport({ hardwareReport: bytes, reportType: i.launched.tee, claims })
  }
  const setup = await startSwtpm({ directory: i.directory, name: 'setup', startup: 'clear' })
  let evidence: BootEvidence['vtpm']
  try {
    const found = await readIdentity(setup)
    if (!Buffer.from(found.akSpki).equals(Buffer.from(i.identity.akSpki)))
      throw anotherTpm(i.identity.akSpki, found.akSpki)
    const hclReport = await reportOn()
    const { authority } = o
    const { vmId } = o.spec
    const certificate = await certifyAttestationKey({ authority, vmId, spki: found.akSpki })
    const ekCertificate = await certifyEndorsementKey({ authority, vmId, spki: found.ekSpki })
    await writeNvIndices({
      tpm: setup,
      hclReport,
      akCertificate: parsePem(certificate)[0]!,
      ekCertificate: parsePem(ekCertificate)[0]!,
    })
    evidence = {
      akPublic: base64url(found.akPublic),
      akCertificatePem: certificate,
      akCertificateChainPem: o.authority.caPem,
      hclReport: base64url(hclReport),
      program: await swtpmVersion(),
    }
  } finally {
    await stopSwtpm(setup)
    for (const path of [setup.socket, setup.controlSocket]) await rm(path, { force: true })
  }
  const tpm = await startSwtpm({ directory: i.directory, name: 'vtpm', startup: o.vtpm ?? 'qemu' })
  return { tpm, evidence, report: reportOn }
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')

const fingerprint = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

function anotherTpm(expected: Uint8Array, found: Uint8Array): ServiceError {
  return new ServiceError({
    code: 'VtpmChanged',
    message: 'The guest state holds a different vTPM than the report binds.',
    target: 'vtpm',
    expected: `attestation key ${fingerprint(expected)}`,
    found: `attestation key ${fingerprint(found)}`,
    remedy: 'Restore the installation’s database and the guest state from the same backup.',
  })
}
