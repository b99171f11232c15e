import type { BootFacts, RestoreOffer } from '@strongroom/contract'
import {
  equal,
  fromHex,
  parseHclReport,
  toHex,
  verifyHclBinding,
  type HclReport,
  type RuntimeClaims,
} from '@strongroom/evidence'
import { claimsLink, transferKeyLink, transferKeys, vmIdOfClaims } from './links/claims-link.ts'
import { measurementLink } from './links/measurement-link.ts'
import { restoredOf } from './links/restored.ts'
import { siliconLink, type SiliconFinding } from './links/silicon-link.ts'
import { knownBackup, knownRestore } from './provenance/asked.ts'
import { boundClaims } from './provenance/claims.ts'
import { derive, same, type Known } from './provenance/known.ts'
import { judge, LinkRefused, need, short, type Link, type Proof } from './provenance/link.ts'
import type { LaunchReference } from './provenance/request.ts'
import type { Roots } from './roots.ts'

/**
 * Verifies the paravisor that a backup's data key is to be given to: genuine silicon, the verifier's own firmware, the VM that is
 * being restored, this backup, and a transfer key that the report binds. An error refuses a link, so this function does not throw.
 * @param o.manifest SHA-256 of the backup's manifest, hexadecimal
 * @returns the transfer key where every link holds
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseAnchors, rootsOf, verifyRestoreOffer } from '@strongroom/trust'
 *
 * const roots = await rootsOf(parseAnchors(await readFile('anchors.json', 'utf8')), await readFile('ca.pem', 'utf8'))
 * const evidence = JSON.parse(await readFile('boot.json', 'utf8'))
 * const firmware = { unknown: 'no copy of the firmware is at hand' }
 * const request = { vmId: evidence.vmId, size: 'Standard_DC2as_v5', manifest: '00', roots, firmware, at: new Date() }
 * const { links, transferKey } = await verifyRestoreOffer({ evidence, ...request })
 * links.map(({ id }) => id) // => ['silicon', 'measurement', 'claims', 'backup', 'transfer-key']
 * transferKey // => undefined
 */
export async function verifyRestoreOffer(o: {
  evidence: RestoreOffer['evidence']
  vmId: string
  size: string
  manifest: string
  roots: Roots
  firmware: LaunchReference | { unknown: string }
  at: Date
}): Promise<{ links: Link[]; transferKey: Record<string, unknown> | undefined }> {
  const { evidence } = o
  const { vmId, size, firmware, manifest } = knownRestore(o)
  let silicon: SiliconFinding | undefined
  let claims: Known<RuntimeClaims> | undefined
  const links = [
    await judge('silicon', 'silicon root → report', async (proof) => {
      silicon = await siliconLink(evidence, { anchors: o.roots.anchors, at: o.at, proof })
    }),
    await judge('measurement', 'report → launch measurement', async (proof) => {
      await measurementLink(evidence, need(silicon, 'silicon'), { firmware, size, proof })
    }),
    await judge('claims', 'report → claims', async (proof) => {
      claims = await claimsLink(evidence, need(silicon, 'silicon'), { vmId, proof })
    }),
    await judge('backup', 'claims → this backup', (proof) => {
      const restored = need(claims, 'claims').map(restoredOf)
      proof.demand({
        code: 'AnotherBackup',
        holds: derive([restored, manifest], (found, wanted) => found?.manifest === wanted),
        message: 'The paravisor was launched to restore another backup.',
        expected: o.manifest,
        actual: restored.value?.manifest ?? 'none',
      })
      proof.proves`manifest ${manifest.map(short)}`
    }),
    await judge('transfer-key', 'claims → transfer key', async (proof) => {
      await transferKeyLink(need(claims, 'claims'), proof)
    }),
  ]
  const holds = links.every(({ outcome }) => outcome === 'verified')
  return { links, transferKey: holds ? claims?.map(transferKeys).value[0] : undefined }
}

/**
 * Verifies that the VM of this boot made a backup: the processor reported its manifest's digest in this boot. The boot
 * itself is for `verifyLinks` to judge.
 * @param o.evidence of a boot of that VM
 * @param o.vmId of the VM whose backup was requested: another VM's report does not count, however good
 * @param o.report HCL report with the digest as user data
 * @param o.quote TDX: the quote of that report, whose data only its own machine vouches for otherwise
 * @param o.manifest SHA-256 of the manifest, hexadecimal
 * @param o.at the time as of which certificates and collateral are judged
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseAnchors, rootsOf, verifyBackupReport } from '@strongroom/trust'
 *
 * const roots = await rootsOf(parseAnchors(await readFile('anchors.json', 'utf8')), await readFile('ca.pem', 'utf8'))
 * const evidence = JSON.parse(await readFile('boot.json', 'utf8'))
 * const report = new Uint8Array(64)
 * const o = { vmId: evidence.vmId, manifest: '00'.repeat(32), roots, at: new Date() }
 * const { outcome } = await verifyBackupReport({ evidence, report, ...o })
 * outcome // => 'refused'
 */
export async function verifyBackupReport(o: {
  evidence: Pick<BootFacts, 'tee' | 'silicon'>
  vmId: string
  report: Uint8Array
  quote?: Uint8Array | undefined
  manifest: string
  roots: Roots
  at: Date
}): Promise<Link> {
  return await judge('backup', 'report → manifest of the backup', async (proof) => {
    const silicon = await siliconLink(o.evidence, { anchors: o.roots.anchors, at: o.at, proof })
    const { vmId: own, manifest } = knownBackup(o)
    const report = parseHclReport(o.report)
    const claims = await claimsOfReport(report, { silicon, quote: o.quote, proof })
    const vmId = vmIdOfClaims(claims)
    proof.demand({
      holds: same(vmId.map(upper), own.map(upper)),
      message: 'The report of the backup belongs to another VM.',
      expected: own.value,
      actual: vmId.value,
    })
    const found = claims.map(({ userData }) => userData?.subarray(0, 32) ?? new Uint8Array())
    proof.demand({
      code: 'AnotherBackup',
      holds: derive([found, manifest], (digest, wanted) => equal(digest, fromHex(wanted))),
      message: 'The report is of another manifest.',
      expected: o.manifest,
      actual: toHex(found.value),
    })
    proof.proves`manifest ${manifest.map(short)} reported by the processor of ${own}`
  })
}

const upper = (text: string): string => text.toUpperCase()

/** The claims of another report of the same guest, which the processor vouches for. */
async function claimsOfReport(
  report: HclReport,
  { silicon, quote, proof }: { silicon: SiliconFinding; quote: Uint8Array | undefined; proof: Proof },
): Promise<Known<RuntimeClaims>> {
  await verifyHclBinding(report)
  const { measurement, reportData } = await silicon.verifySibling(report.hardwareReport, quote)
  proof.demand({
    holds: same(measurement.map(toHex), silicon.measurement.map(toHex)),
    message: 'The report of the backup belongs to another guest.',
    expected: toHex(silicon.measurement.value),
    actual: toHex(measurement.value),
  })
  if (reportData === undefined)
    throw new LinkRefused({
      code: 'QuoteMissing',
      message: 'Nobody but its own machine can verify a TDREPORT, and the backup has no quote of it.',
      expected: 'a quote of the report that names the manifest',
      actual: 'none',
    })
  return await boundClaims(report.claims, reportData)
}
