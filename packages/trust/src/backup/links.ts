import type { BootFacts, RestoreOffer } from '@strongroom/contract'
import { equal, fromHex, parseHclReport, parseRuntimeClaims, toHex, verifyHclBinding } from '@strongroom/evidence'
import { claimsLink, readClaims, transferKeyLink } from '../claims-link.ts'
import { demand, judge, LinkNotChecked, short, type Link } from '../link.ts'
import { measurementLink, type LaunchReference } from '../measurement-link.ts'
import { restoredOf } from './restored.ts'
import type { Roots } from '../roots.ts'
import { verifySilicon, type SiliconFinding } from '../silicon-link.ts'

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
  let silicon: SiliconFinding | undefined
  const found = (): SiliconFinding => {
    if (silicon === undefined) throw new LinkNotChecked("It depends on 'silicon', which does not hold.")
    return silicon
  }
  const links = [
    await judge('silicon', 'silicon root → report', async () => {
      silicon = await verifySilicon(evidence, o.roots.anchors, o.at)
      return silicon.shows
    }),
    await judge('measurement', 'report → launch measurement', async () => {
      const { firmware } = o
      if ('unknown' in firmware) throw new LinkNotChecked(firmware.unknown)
      return await measurementLink(evidence, found(), { firmware, size: o.size })
    }),
    await judge('claims', 'report → claims', async () => await claimsLink(evidence, found(), o.vmId)),
    await judge('backup', 'claims → this backup', () => {
      const restored = restoredOf(evidence)
      demand({
        code: 'AnotherBackup',
        holds: restored?.manifest === o.manifest,
        message: 'The paravisor was launched to restore another backup.',
        expected: o.manifest,
        actual: restored?.manifest ?? 'none',
      })
      return [`manifest ${short(o.manifest)}`]
    }),
    await judge('transfer-key', 'claims → transfer key', async () => await transferKeyLink(evidence)),
  ]
  const holds = links.every(({ outcome }) => outcome === 'verified')
  const key = holds ? readClaims(evidence).keys.find(({ kid }) => kid === 'HCLTransferKey') : undefined
  return { links, transferKey: key }
}

/**
 * Verifies that the VM of this boot made a backup: the processor reported its manifest's digest in this boot. The boot
 * itself is for `verifyLinks` to judge.
 * @param o.report HCL report with the digest as user data
 * @param o.manifest SHA-256 of the manifest, hexadecimal
 * @param o.at the time as of which certificates and collateral are judged
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseAnchors, rootsOf, verifyBackupReport } from '@strongroom/trust'
 *
 * const roots = await rootsOf(parseAnchors(await readFile('anchors.json', 'utf8')), await readFile('ca.pem', 'utf8'))
 * const evidence = JSON.parse(await readFile('boot.json', 'utf8'))
 * const report = new Uint8Array(64)
 * const { outcome } = await verifyBackupReport({ evidence, report, manifest: '00'.repeat(32), roots, at: new Date() })
 * outcome // => 'refused'
 */
export async function verifyBackupReport(o: {
  evidence: BootFacts
  report: Uint8Array
  manifest: string
  roots: Roots
  at: Date
}): Promise<Link> {
  return await judge('backup', 'report → manifest of the backup', async () => {
    const silicon = await verifySilicon(o.evidence, o.roots.anchors, o.at)
    const report = parseHclReport(o.report)
    await verifyHclBinding(report)
    const measured = await silicon.verifySibling(report.hardwareReport)
    demand({
      holds: equal(measured, silicon.measurement),
      message: 'The report of the backup belongs to another guest.',
      expected: toHex(silicon.measurement),
      actual: toHex(measured),
    })
    const { configuration, userData } = parseRuntimeClaims(report.claims)
    demand({
      holds: configuration['vmUniqueId'] === o.evidence.vmId,
      message: 'The report of the backup belongs to another VM.',
      expected: o.evidence.vmId,
      actual: String(configuration['vmUniqueId']),
    })
    const found = userData?.subarray(0, 32) ?? new Uint8Array()
    demand({
      code: 'AnotherBackup',
      holds: equal(found, fromHex(o.manifest)),
      message: 'The report is of another manifest.',
      expected: o.manifest,
      actual: toHex(found),
    })
    return [`manifest ${short(o.manifest)} reported by the processor of ${o.evidence.vmId}`]
  })
}
