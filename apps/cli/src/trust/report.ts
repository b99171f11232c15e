import { verifyLinks, type BootPins, type TrustReport, type TrustRequest as LinkRequest } from '@strongroom/trust'
import type { Result } from '../core/output.ts'
import { ownFirmware } from './firmware.ts'
import { loadRoots } from './roots.ts'

export type { TrustReport }

/** A trust report's inputs, with the roots and the firmware as files. */
export interface TrustRequest extends Omit<LinkRequest, 'roots' | 'firmware'> {
  stateDir: string
  /** File of the firmware that guests must have been launched with; default: Debian's, where the verifier runs. */
  firmware?: string | undefined
}

/** Verifies the evidence of a boot again. @throws CliError NoTrustAnchors */
export async function verifyBoot({ stateDir, firmware, ...request }: TrustRequest): Promise<TrustReport> {
  return await verifyLinks({ ...request, roots: await loadRoots(stateDir), firmware: await ownFirmware(firmware) })
}

const marks = { verified: '✓', refused: '✗', 'not checked': '?' } as const

function renderTrust(report: TrustReport): string[] {
  const lines = [`Trust report of ${report.name} (${report.vmId}), verified ${report.verifiedAt}`, '']
  for (const link of report.links) {
    lines.push(` ${marks[link.outcome]} ${link.title}${link.outcome === 'verified' ? '' : `: ${link.outcome}`}`)
    if (link.why !== undefined) lines.push(`     ${link.code === undefined ? '' : `${link.code}: `}${link.why}`)
    if (link.expected !== undefined) lines.push(`     expected: ${link.expected}`)
    if (link.actual !== undefined) lines.push(`     found:    ${link.actual}`)
    for (const shown of link.shows) lines.push(`     ${shown}`)
  }
  lines.push('')
  if (!report.guestRan)
    lines.push('No guest ran in this VM (compute: simulated): the links above were made and verified without one.')
  lines.push(report.trusted ? 'Every link holds.' : 'Not trusted: at least one link does not hold.')
  if (report.simulated)
    lines.push('Simulated silicon: the chain is complete, but offers no protection from the host (LIMITATIONS.md).')
  return lines
}

export async function trustResult(
  request: TrustRequest,
): Promise<{ result: Result; trusted: boolean; pins: BootPins | undefined }> {
  const report = await verifyBoot(request)
  return { result: { data: report, lines: renderTrust(report) }, trusted: report.trusted, pins: report.pins }
}
