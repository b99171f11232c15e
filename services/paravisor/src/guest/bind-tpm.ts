import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import type { BootEvidence, InstanceSpec } from '@strongroom/contract'
import { buildHclReport, parsePem } from '@strongroom/evidence'
import { ServiceError, type InstallationAuthority } from '@strongroom/platform'
import { certifyAttestationKey, certifyEndorsementKey } from '../tpm/certificates.ts'
import { writeLaunch } from '../tpm/launch-index.ts'
import { writeNvIndices } from '../tpm/nv-indices.ts'
import { readIdentity, type TpmIdentity } from '../tpm/manufacture.ts'
import { bindSettings } from '../tpm/settings-index.ts'
import { startSwtpm, stopSwtpm, swtpmVersion, type Startup, type Swtpm } from '../tpm/swtpm.ts'
import type { TpmDirectory } from '../tpm/tpm-directory.ts'
import { vtpmClaims } from '../release/claims.ts'
import type { LaunchedVm } from '../release/silicon.ts'

/** A report of this launch over the attestation key and optionally up to 64 bytes of data. */
interface MadeReport {
  /** As in NV 0x01400001. */
  hclReport: Uint8Array
  /** TDX: for whoever is not on this machine, which alone can verify a TDREPORT. */
  quote(): Promise<Uint8Array | undefined>
}

export type ReportOnUserData = (userData?: Uint8Array) => Promise<MadeReport>

/** A vTPM whose contents are those of this boot. */
interface BoundTpm {
  evidence: BootEvidence['vtpm']
  report: ReportOnUserData
  /** Certificate of its endorsement key, DER. */
  endorsementKey: Uint8Array
  /** For QEMU, or as `vtpm` says. */
  start(): Promise<Swtpm>
}

/**
 * Binds one boot's vTPM to the hardware's report and the VM's settings, and certifies its keys.
 * @throws ServiceError VtpmChanged, SettingsChanged
 */
export async function bindTpm(i: {
  o: { spec: InstanceSpec; runtimeDir: string; authority: InstallationAuthority; vtpm?: Startup }
  launched: LaunchedVm
  directory: TpmDirectory
  identity: Pick<TpmIdentity, 'akSpki' | 'ekSpki'>
  /** See bindSettings. */
  settings: Uint8Array | undefined
  /** Absent for a vTPM that is made for one boot: its attestation key names the launch. */
  launch?: { claims: Uint8Array; generation: number }
}): Promise<BoundTpm> {
  const { o } = i
  const reportOn: ReportOnUserData = async (userData) => {
    const claims = vtpmClaims({ spec: o.spec, akSpki: i.identity.akSpki, ...(userData && { userData }) })
    const made = await i.launched.report(claims)
    return {
      hclReport: buildHclReport({ hardwareReport: made.bytes, reportType: i.launched.tee, claims }),
      quote: async () => {
        const shown = await made.evidence()
        return shown.kind === 'TDX' ? Buffer.from(shown.quote, 'base64url') : undefined
      },
    }
  }
  const setup = await startSwtpm({ directory: i.directory, name: 'setup', startup: 'clear' })
  let evidence: BootEvidence['vtpm']
  let endorsementKey: Uint8Array
  try {
    const found = await readIdentity(setup)
    if (!Buffer.from(found.akSpki).equals(Buffer.from(i.identity.akSpki)))
      throw anotherTpm(i.identity.akSpki, found.akSpki)
    await bindSettings(setup, i.settings)
    if (i.launch !== undefined) await writeLaunch(setup, { ...i.launch, claims: sha256(i.launch.claims) })
    const { hclReport } = await reportOn()
    const { authority } = o
    const { vmId } = o.spec
    const certificate = await certifyAttestationKey({ authority, vmId, spki: found.akSpki })
    endorsementKey = parsePem(await certifyEndorsementKey({ authority, vmId, spki: found.ekSpki }))[0]!
    await writeNvIndices({
      tpm: setup,
      hclReport,
      akCertificate: parsePem(certificate)[0]!,
      ekCertificate: endorsementKey,
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
  const start = async (): Promise<Swtpm> =>
    await startSwtpm({ directory: i.directory, name: 'vtpm', startup: o.vtpm ?? 'qemu' })
  return { evidence, report: reportOn, endorsementKey, start }
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

const fingerprint = (bytes: Uint8Array): string => sha256(bytes).toString('hex')

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
