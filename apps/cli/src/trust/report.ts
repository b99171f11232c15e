import {
  sourceNames,
  verifyLinks,
  type BootPins,
  type TrustReport,
  type TrustRequest as LinkRequest,
  type TrustWarning,
} from '@strongroom/trust'
import type { CommandContext } from '../core/command.ts'
import type { Result } from '../core/output.ts'
import { ownFirmware } from './firmware.ts'
import { loadRoots, type RootPaths } from './roots.ts'

export type { TrustReport }

/** A trust report's inputs, with the roots and the firmware as files. */
export interface TrustRequest extends Omit<LinkRequest, 'roots' | 'firmware'> {
  paths: RootPaths
  /** File of the firmware that guests must have been launched with; default: Debian's, where the verifier runs. */
  firmware?: string | undefined
  /** What the person must know of first use. */
  warnings?: readonly TrustWarning[]
}

/** Verifies the evidence of a boot again. @throws CliError NoTrustAnchors */
export async function verifyBoot({ paths, firmware, ...request }: TrustRequest): Promise<TrustReport> {
  return await verifyLinks({ ...request, roots: await loadRoots(paths), firmware: await ownFirmware(firmware) })
}

const marks = { verified: '✓', refused: '✗', 'not checked': '?' } as const

function renderTrust(
  report: TrustReport,
  o: { warnings: readonly TrustWarning[]; typed: CommandContext['typed'] },
): string[] {
  const { warnings, typed } = o
  const lines = [`Trust report of ${report.name} (${report.vmId}), verified ${report.verifiedAt}`, '']
  for (const { code, message } of warnings) lines.push(` ! ${code}: ${message}`)
  if (warnings.length > 0) lines.push('')
  for (const link of report.links) {
    lines.push(` ${marks[link.outcome]} ${link.title}${link.outcome === 'verified' ? '' : `: ${link.outcome}`}`)
    if (link.why !== undefined) lines.push(`     ${link.code === undefined ? '' : `${link.code}: `}${typed(link.why)}`)
    if (link.expected !== undefined) lines.push(`     expected: ${link.expected}`)
    if (link.actual !== undefined) lines.push(`     found:    ${link.actual}`)
    for (const shown of link.shows) lines.push(`     ${shown}`)
    for (const stated of link.stated) lines.push(`     stated by the host: ${stated}`)
    if (link.restsOn.length > 0) lines.push(`     rests on ${link.restsOn.map((each) => sourceNames[each]).join(', ')}`)
  }
  lines.push('')
  if (!report.guestRan)
    lines.push('No guest ran in this VM (compute: simulated): the links above were made and verified without one.')
  lines.push(report.trusted ? 'Every link holds.' : 'Not trusted: at least one link does not hold.')
  if (!report.guestAsked)
    lines.push(
      'The running guest was not asked: this is about the boot that the evidence is of, and not about what runs now.',
    )
  if (report.simulated)
    lines.push('Simulated silicon: the chain is complete, but offers no protection from the host (LIMITATIONS.md).')
  return lines
}

export async function trustResult({
  warnings = [],
  typed,
  ...request
}: TrustRequest & Pick<CommandContext, 'typed'>): Promise<{
  result: Result
  trusted: boolean
  vmId: string
  pins: BootPins | undefined
}> {
  const report = await verifyBoot(request)
  const result = { data: { ...report, warnings }, lines: renderTrust(report, { warnings, typed }) }
  return { result, trusted: report.trusted, vmId: report.vmId, pins: report.pins }
}
