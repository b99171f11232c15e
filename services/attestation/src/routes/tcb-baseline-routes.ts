import { ServiceError } from '@strongroom/platform'
import type { FastifyInstance } from 'fastify'
import type { Collateral } from '../collateral/collateral.ts'
import type { Providers } from '../providers/providers.ts'
import { requireApiVersion } from './api-version.ts'
import { providerOf } from './provider-of.ts'

/** What evidence of a technology is measured against. */
interface TcbBaseline {
  /** `azuredefault`, as Azure names it, or the FMSPC of a platform. */
  tcbIdentifier: string
  isSelectedTcb: boolean
  /** Of Intel's TCB info: its number, and when it was issued. */
  tcbEvaluationDataNumber?: number
  tcbReleaseDate?: string
}

const standard: TcbBaseline = { tcbIdentifier: 'azuredefault', isSelectedTcb: true }

/**
 * `GET /tcbbaselines/{type}`: anonymous, like the keys. SNP is measured against the TCB that the processor's key vouches for,
 * TDX against the TCB info that Intel signed for the platform: each of those at hand is listed.
 */
export function tcbBaselineRoutes(app: FastifyInstance, o: { providers: Providers; collateral: Collateral }): void {
  app.get('/tcbbaselines/:type', async (request): Promise<{ tcbBaselines: TcbBaseline[] }> => {
    requireApiVersion(request)
    await providerOf(request, o.providers)
    const { type } = request.params as { type: string }
    if (type.toLowerCase() === 'sevsnpvm') return { tcbBaselines: [standard] }
    if (type.toLowerCase() === 'tdxvm') return { tcbBaselines: [standard, ...(await platforms(o.collateral))] }
    throw new ServiceError({
      code: 'InvalidParameter',
      status: 400,
      message: `Evidence of the type ${type.slice(0, 40)} has no TCB of a processor's vendor.`,
      target: 'type',
      expected: 'SevSnpVm or TdxVm',
      found: type.slice(0, 40),
      remedy: 'Correct the type in the path.',
    })
  })
}

async function platforms(collateral: Collateral): Promise<TcbBaseline[]> {
  const found = new Map<string, TcbBaseline>()
  for (const text of await collateral.tcbInfos()) {
    const baseline = baselineIn(text)
    if (baseline !== undefined && !found.has(baseline.tcbIdentifier)) found.set(baseline.tcbIdentifier, baseline)
  }
  return [...found.values()]
}

/** Undefined where the text is no TCB info of a platform. */
function baselineIn(text: string): TcbBaseline | undefined {
  const { tcbInfo } = JSON.parse(text) as { tcbInfo?: Record<string, unknown> }
  const { fmspc, issueDate, tcbEvaluationDataNumber } = tcbInfo ?? {}
  if (typeof fmspc !== 'string' || typeof issueDate !== 'string' || typeof tcbEvaluationDataNumber !== 'number')
    return undefined
  return { tcbIdentifier: fmspc, isSelectedTcb: true, tcbEvaluationDataNumber, tcbReleaseDate: issueDate }
}
