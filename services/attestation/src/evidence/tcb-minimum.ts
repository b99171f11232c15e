import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { appraiseSnp, tcbParts, type TcbVersion, type VerifiedSnp } from '@strongroom/evidence'
import {
  describeLack,
  lineOf,
  openAdvisories,
  snpLines,
  snpPlatform,
  snpShortfall,
  tcbMinimum,
  type OpenAdvisory,
  type SnpLine,
} from '@strongroom/evidence/advisories'
import { ServiceError } from '@strongroom/platform'
import { isObject } from '../core/request.ts'
import type { Shortcoming, Weakness } from './attested.ts'

/** Minimum security versions of AMD's processors that the operator requires beyond the advisories. */
export const tcbMinimumFile = 'tcb-minimum.json'
/** Our claim: AMD publishes no platform status as Intel does. */
export const tcbStatusClaim = 'x-strongroom-tcb-status'

type RaisedMinimum = Partial<Record<SnpLine, Partial<TcbVersion>>>

/** Requirements on SNP evidence: the fixes of AMD's advisories, and the operator's own. */
export class TcbMinimum {
  readonly #raised: RaisedMinimum

  constructor(raised: RaisedMinimum = {}) {
    this.#raised = raised
  }

  of(line: SnpLine): TcbVersion {
    const minimum = tcbMinimum(line)
    for (const part of tcbParts) minimum[part] = Math.max(minimum[part], this.#raised[line]?.[part] ?? 0)
    return minimum
  }

  /** @returns `UpToDate` if every version meets the minimum, else what is wrong */
  appraise(verified: VerifiedSnp): {
    claims: Record<string, unknown>
    byNameOnly: Weakness[]
    shortcomings: Shortcoming[]
  } {
    const platform = snpPlatform(verified.report, verified.product)
    const minimum = this.of(lineOf(platform.product, platform.cpu))
    const advisories = openAdvisories(platform)
    const lacks = snpShortfall(verified.report, platform.product, minimum)
    const bounds = { reported: { minimum }, launch: { minimum } }
    const any = { measurements: 'any', reportData: 'any', vmpls: [verified.report.vmpl] } as const
    // The other appraisal rules belong to compliance.
    const failures = appraiseSnp(verified, { ...any, tcb: bounds }).filter(({ path }) =>
      /^(reported|launch)Tcb/.test(path),
    )
    const outOfDate = failures.length > 0 || advisories.length > 0
    const why = advisories.length === 0 ? 'this installation requires more' : advisories.map(describe).join('; ')
    return {
      claims: {
        [tcbStatusClaim]: outOfDate ? 'OutOfDate' : 'UpToDate',
        ...(advisories.length === 0 ? {} : { attester_advisory_ids: advisories.map(({ id }) => id).toSorted() }),
      },
      byNameOnly: outOfDate
        ? [{ claim: tcbStatusClaim, message: `the TCB of ${platform.product} is out of date: ${why}` }]
        : [],
      shortcomings: [
        ...failures.map(({ path, expected, actual }) => ({
          path,
          message: `${path}: expected at least ${expected}, found ${actual}.`,
        })),
        ...advisories.map((each) => ({ path: tcbStatusClaim, message: `${describe(each)}.` })),
        ...lacks.map((lack) => ({ path: tcbStatusClaim, message: describeLack(lack) })),
      ],
    }
  }
}

/** For example `AMD-SB-3019 (EntrySign, CVE-2024-56161): microcode 219 wanted, 218 found`. */
function describe({ id, name, references, lacks }: OpenAdvisory): string {
  return `${id} (${[...(name === undefined ? [] : [name]), ...references].join(', ')}): ${lacks.join(', ')}`
}

/** STATE/tcb-minimum.json; by default the advisories' minimum. @throws ServiceError TcbMinimumInvalid */
export async function readTcbMinimum(stateDir: string): Promise<TcbMinimum> {
  const path = join(stateDir, tcbMinimumFile)
  try {
    return new TcbMinimum(parseTcbMinimum(await readFile(path, 'utf8'), path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new TcbMinimum()
    throw error
  }
}

/**
 * @throws ServiceError TcbMinimumInvalid: an unknown line or component, no version, or one below the advisories'
 * minimum
 */
export function parseTcbMinimum(text: string, path: string): RaisedMinimum {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw invalid(path, 'JSON', 'another text', cause)
  }
  if (!isObject(value)) throw invalid(path, 'an object keyed by processor line', value)
  for (const [line, parts] of Object.entries(value)) {
    const known = snpLines.find((each) => each === line)
    if (known === undefined) throw invalid(path, snpLines.join(', '), line)
    if (!isObject(parts)) throw invalid(path, `${line}: an object keyed by part`, parts)
    for (const [part, version] of Object.entries(parts)) requireRaised(path, known, part, version)
  }
  return value as RaisedMinimum
}

function requireRaised(path: string, line: SnpLine, part: string, version: unknown): void {
  const known = tcbParts.find((each) => each === part)
  if (known === undefined) throw invalid(path, `${line}: ${tcbParts.join(', ')}`, part)
  const least = tcbMinimum(line)[known]
  if (typeof version === 'number' && Number.isInteger(version) && version >= least && version <= 255) return
  throw invalid(path, `${line}.${part}: a whole number from ${least}, which the advisories require, to 255`, version)
}

function invalid(path: string, expected: string, found: unknown, cause?: unknown): ServiceError {
  return new ServiceError({
    code: 'TcbMinimumInvalid',
    message: `${path} does not contain minimum security versions for AMD's processors.`,
    target: tcbMinimumFile,
    expected,
    found: (typeof found === 'string' ? found : (JSON.stringify(found) ?? 'nothing')).slice(0, 200),
    remedy: 'For example { "Milan": { "snp": 30 } }; remove the file to use what the advisories require.',
    cause,
  })
}
