import { tcbParts, type TcbVersion } from '@strongroom/evidence'
import { snpAdvisories, snpLines, type SnpLine } from '@strongroom/evidence/advisories'
import { ServiceError } from '@strongroom/platform'
import type { FastifyInstance } from 'fastify'
import type { Collateral } from '../collateral/collateral.ts'
import type { TcbMinimum } from '../evidence/tcb-minimum.ts'
import type { Providers } from '../providers/providers.ts'
import { requireApiVersion } from './api-version.ts'
import { providerOf } from './provider-of.ts'

/** Reference for the evidence of one technology. */
interface TcbBaseline {
  /** Azure's name `azuredefault`, the FMSPC of an Intel platform, or AMD's processor line. */
  tcbIdentifier: string
  isSelectedTcb: boolean
  /** From Intel's TCB info: its number and date of issue. */
  tcbEvaluationDataNumber?: number
  tcbReleaseDate?: string
  /** For an AMD line: minimum versions, the advisories they fix, and those that no version shows. */
  minimum?: Partial<TcbVersion>
  advisories?: string[]
  advisoriesNotShown?: string[]
}

const standard: TcbBaseline = { tcbIdentifier: 'azuredefault', isSelectedTcb: true }

/**
 * `GET /tcbbaselines/{type}`: anonymous, like the keys. SNP is compared with the minimum versions that fix AMD's
 * advisories, raised by STATE/tcb-minimum.json; TDX with the TCB info that Intel signed for the platform: every stored
 * one is listed.
 */
export function tcbBaselineRoutes(
  app: FastifyInstance,
  o: { providers: Providers; collateral: Collateral; tcbMinimum: TcbMinimum },
): void {
  app.get('/tcbbaselines/:type', async (request): Promise<{ tcbBaselines: TcbBaseline[] }> => {
    requireApiVersion(request)
    await providerOf(request, o.providers)
    const { type } = request.params as { type: string }
    if (type.toLowerCase() === 'sevsnpvm')
      return { tcbBaselines: [standard, ...snpLines.map((line) => lineBaseline(line, o.tcbMinimum))] }
    if (type.toLowerCase() === 'tdxvm') return { tcbBaselines: [standard, ...(await platforms(o.collateral))] }
    throw new ServiceError({
      code: 'InvalidParameter',
      message: `Evidence of type ${type.slice(0, 40)} has no processor vendor's TCB.`,
      target: 'type',
      expected: 'SevSnpVm or TdxVm',
      found: type.slice(0, 40),
      remedy: 'Correct the type in the path.',
    })
  })
}

function lineBaseline(line: SnpLine, tcbMinimum: TcbMinimum): TcbBaseline {
  const minimum = tcbMinimum.of(line)
  const named = (shown: boolean): string[] =>
    snpAdvisories
      .filter(({ lines }) => lines[line] !== undefined && (lines[line] === 'notShown') !== shown)
      .map(({ id }) => id)
  return {
    tcbIdentifier: line,
    isSelectedTcb: true,
    minimum: Object.fromEntries(tcbParts.filter((part) => minimum[part] > 0).map((part) => [part, minimum[part]])),
    advisories: named(true),
    advisoriesNotShown: named(false),
  }
}

async function platforms(collateral: Collateral): Promise<TcbBaseline[]> {
  const found = new Map<string, TcbBaseline>()
  for (const text of await collateral.tcbInfos()) {
    const baseline = baselineIn(text)
    if (baseline !== undefined && !found.has(baseline.tcbIdentifier)) found.set(baseline.tcbIdentifier, baseline)
  }
  return [...found.values()]
}

/** Undefined if the text is not a platform's TCB info. */
function baselineIn(text: string): TcbBaseline | undefined {
  const { tcbInfo } = JSON.parse(text) as { tcbInfo?: Record<string, unknown> }
  const { fmspc, issueDate, tcbEvaluationDataNumber } = tcbInfo ?? {}
  if (typeof fmspc !== 'string' || typeof issueDate !== 'string' || typeof tcbEvaluationDataNumber !== 'number')
    return undefined
  return { tcbIdentifier: fmspc, isSelectedTcb: true, tcbEvaluationDataNumber, tcbReleaseDate: issueDate }
}
