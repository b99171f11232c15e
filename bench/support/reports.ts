import { createHash, randomUUID } from 'node:crypto'
import { toBase64Url } from '@strongroom/evidence'
import type { Silicon } from '@strongroom/silicon'
import { tinyFirmware } from '@strongroom/silicon/testing'

/** Modulus of a transfer key to which nothing is wrapped. */
const anyModulus = 'q83v'.repeat(85)

/**
 * Bodies of `/attest/SevSnpVm`: distinct reports, each over different runtime data, so that no signature is verified
 * twice.
 * @param modulus of the guest's transfer key, base64url
 */
export async function reportsOf(silicon: Silicon, count: number, modulus: string = anyModulus): Promise<string[]> {
  const endorsements = await silicon.amd.endorsements()
  const guest = await silicon.amd.launch({ firmware: tinyFirmware(), vCPUs: 1, vcpuType: 'EPYC-Milan' })
  const chain = Buffer.from(endorsements.vcekPem + endorsements.chainPem).toString('base64')
  const bodies: string[] = []
  for (let index = 0; index < count; index++) {
    const runtime = new TextEncoder().encode(
      JSON.stringify({
        keys: [{ kid: 'HCLTransferKey', key_ops: ['encrypt'], kty: 'RSA', e: 'AQAB', n: modulus }],
        'vm-configuration': { 'secure-boot': true, 'tpm-enabled': true, vmUniqueId: randomUUID().toUpperCase() },
      }),
    )
    const reportData = new Uint8Array(64)
    reportData.set(createHash('sha256').update(runtime).digest())
    const report = { SnpReport: toBase64Url(await guest.report(reportData)), VcekCertChain: chain }
    bodies.push(
      JSON.stringify({
        report: Buffer.from(JSON.stringify(report)).toString('base64url'),
        runtimeData: { data: toBase64Url(runtime), dataType: 'JSON' },
      }),
    )
  }
  return bodies
}
