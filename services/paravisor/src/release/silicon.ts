import {
  cpuModels,
  type Base64Url,
  type Hex,
  type InstanceSpec,
  type SevSnpVmReport,
  type SnpEvidence,
  type TdxCollateralBody,
  type TdxEvidence,
  type Tee,
} from '@strongroom/contract'
import { hclReportData } from '@strongroom/evidence'
import type { Silicon } from '@strongroom/silicon'

export interface HardwareReport {
  /** As in Azure's HCL report: SNP report or TDREPORT. */
  bytes: Uint8Array
  /** What a verifier needs, for the boot evidence. */
  evidence(): Promise<SnpEvidence | TdxEvidence>
  /**
   * Request to the attestation provider: path and evidence, without the runtime data. `withCollateral` adds the
   * silicon's revocation list or collateral, in our own members, for a provider that cannot fetch them.
   */
  request(o: {
    withCollateral: boolean
  }): Promise<{ path: '/attest/SevSnpVm' | '/attest/TdxVm'; body: Record<string, unknown> }>
}

export interface LaunchedVm {
  tee: Tee
  measurement: Hex
  /** Over claims, by the digest that Azure's paravisor reports. */
  report(claims: Uint8Array): Promise<HardwareReport>
}

/** Another machine's processors, called over its wire: it receives the claims, not only their digest. */
export interface DistantSilicon extends Silicon {
  launch(o: { tee: Tee; firmware: Uint8Array; vCPUs: number }): Promise<LaunchedVm>
}

const isDistant = (silicon: Silicon): silicon is DistantSilicon => 'launch' in silicon

const base64url = (bytes: Uint8Array): Base64Url => Buffer.from(bytes).toString('base64url')

/** Makes the processor measure what will run: these firmware bytes on this many virtual processors. */
export async function launchOnSilicon(o: {
  silicon: Silicon
  spec: Pick<InstanceSpec, 'tee'>
  firmware: Uint8Array
  vCPUs: number
}): Promise<LaunchedVm> {
  if (isDistant(o.silicon)) return await o.silicon.launch({ ...o, tee: o.spec.tee })
  return o.spec.tee === 'SNP' ? await launchSnp(o) : await launchTdx(o)
}

async function launchSnp(o: { silicon: Silicon; firmware: Uint8Array; vCPUs: number }): Promise<LaunchedVm> {
  const { amd } = o.silicon
  const guest = await amd.launch({ firmware: o.firmware, vCPUs: o.vCPUs, vcpuType: cpuModels.SNP })
  return {
    tee: 'SNP',
    measurement: Buffer.from(guest.measurement).toString('hex'),
    report: async (claims) => {
      const bytes = await guest.report(await hclReportData(claims))
      const { vcekPem, chainPem, crl } = await amd.endorsements()
      const vcekChainPem = `${vcekPem.trimEnd()}\n${chainPem}`
      return {
        bytes,
        evidence: async () => ({ kind: 'SNP', report: base64url(bytes), vcekChainPem, crl: base64url(crl) }),
        request: async ({ withCollateral }) => {
          const report: SevSnpVmReport = {
            SnpReport: base64url(bytes),
            VcekCertChain: Buffer.from(vcekChainPem).toString('base64'),
            ...(withCollateral && { Crl: base64url(crl) }),
          }
          return {
            path: '/attest/SevSnpVm',
            body: { report: Buffer.from(JSON.stringify(report)).toString('base64url') },
          }
        },
      }
    },
  }
}

async function launchTdx(o: { silicon: Silicon; firmware: Uint8Array }): Promise<LaunchedVm> {
  const { intel } = o.silicon
  const guest = await intel.launch({ firmware: o.firmware })
  return {
    tee: 'TDX',
    measurement: Buffer.from(guest.mrtd).toString('hex'),
    report: async (claims) => {
      const bytes = await guest.tdReport(await hclReportData(claims))
      const quote = await intel.quote(bytes)
      const collateral = async (): Promise<TdxCollateralBody> => {
        const { pckCrl, rootCaCrl, ...texts } = await intel.collateral()
        return { ...texts, pckCrl: base64url(pckCrl), rootCaCrl: base64url(rootCaCrl) }
      }
      return {
        bytes,
        evidence: async () => {
          return {
            kind: 'TDX',
            tdReport: base64url(bytes),
            quote: base64url(quote),
            collateral: await collateral(),
          }
        },
        request: async ({ withCollateral }) => ({
          path: '/attest/TdxVm',
          body: { quote: base64url(quote), ...(withCollateral && { collateral: await collateral() }) },
        }),
      }
    },
  }
}
