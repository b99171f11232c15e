import type { DecisionBundle, DecisionList, DecisionView } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Provider } from '../providers/providers.ts'
import type { Decision } from '../store/decision-entry.ts'
import type { Decisions } from '../store/decisions.ts'
import { managed, managementScope, type ManagementOptions } from './management-scope.ts'

const defaultPage = 50
const largestPage = 500
/** With claims, which are larger. */
const largestExpandedPage = 100

type DecisionOptions = ManagementOptions & { decisions: Decisions }

/** `/decisions` (contract/attestation-decisions.ts): a provider's decisions, for callers who may read its policies. */
export async function decisionRoutes(app: FastifyInstance, o: DecisionOptions): Promise<void> {
  await managementScope(app, o, (scope) => {
    scope.get('/decisions', async (request): Promise<DecisionList> => {
      const provider = await managed(request, o, 'read')
      const expanded = withClaims(request)
      const limit = pageSize(request, expanded ? largestExpandedPage : largestPage)
      const before = cursorOf(request)
      const rows = await o.decisions.list({
        limit: limit + 1,
        provider,
        ...(before === undefined ? {} : { before }),
      })
      const page = rows.slice(0, limit)
      const last = page.at(-1)
      const claims = expanded ? await o.decisions.claimsOf(page.map(({ id }) => id)) : undefined
      return {
        value: page.map((row) => ({ ...view(row), ...claims?.get(row.id) })),
        ...(rows.length > limit && last !== undefined
          ? { nextLink: nextLink(request, provider, limit, last, expanded) }
          : {}),
      }
    })

    scope.get('/decisions/:id', async (request): Promise<DecisionView> => {
      const provider = await managed(request, o, 'read')
      return view(await found(request, provider, o))
    })

    scope.get('/decisions/:id/bundle', async (request): Promise<DecisionBundle> => {
      const provider = await managed(request, o, 'read')
      const decision = await found(request, provider, o)
      const bundle = await o.decisions.bundle(decision.id)
      if (bundle === undefined) throw bundleGone(decision.id)
      return {
        format: 'strongroom-attestation-decision',
        version: 1,
        decision: view(decision),
        ...(bundle as Pick<DecisionBundle, 'evidence' | 'policy' | 'claims'>),
      }
    })
  })
}

function view(row: Decision): DecisionView {
  const findings = JSON.parse(row.findings ?? '{}') as Partial<
    Pick<DecisionView, 'failedRules' | 'failedChecks' | 'shortcomings' | 'advisories'>
  >
  return {
    id: row.id,
    at: row.at,
    provider: row.provider,
    type: row.type,
    caller: row.caller ?? '',
    outcome: row.outcome,
    ...(row.code === null ? {} : { code: row.code }),
    ...(row.message === null ? {} : { message: row.message }),
    evidenceDigest: row.evidence_digest,
    ...(row.policy_hash === '' ? {} : { policyHash: row.policy_hash }),
    ...(row.token_id === null ? {} : { tokenId: row.token_id }),
    simulated: row.simulated === 1,
    failedRules: findings.failedRules ?? [],
    failedChecks: findings.failedChecks ?? [],
    shortcomings: findings.shortcomings ?? [],
    advisories: findings.advisories ?? [],
  }
}

async function found(request: FastifyRequest, provider: Provider, o: DecisionOptions): Promise<Decision> {
  const { id } = request.params as { id: string }
  const decision = await o.decisions.get(provider, id)
  if (decision !== undefined) return decision
  throw new ServiceError({
    code: 'DecisionNotFound',
    message: `There is no decision ${id.slice(0, 64)} on record at ${provider.host}.`,
    target: 'id',
    expected: 'the id of a decision of this provider',
    found: id.slice(0, 64),
    remedy: 'List the decisions; the oldest are deleted.',
  })
}

function bundleGone(id: string): ServiceError {
  return new ServiceError({
    code: 'EvidenceNotKept',
    message: 'The evidence of this decision is not stored.',
    target: 'id',
    expected: 'one of the newest decisions',
    found: id,
    remedy: 'Fetch bundles soon after the decision: only the newest decisions keep their evidence.',
  })
}

function withClaims(request: FastifyRequest): boolean {
  const expand = (request.query as Record<string, unknown>)['$expand']
  if (expand === undefined) return false
  if (expand === 'claims') return true
  throw new ServiceError({
    code: 'InvalidParameter',
    message: 'Decisions can be expanded by claims only.',
    target: '$expand',
    expected: 'claims',
    found: JSON.stringify(expand).slice(0, 40),
    remedy: 'Omit it, or fetch the bundle of a decision for everything stored about it.',
  })
}

function pageSize(request: FastifyRequest, largest: number): number {
  const text = (request.query as Record<string, unknown>)['$top']
  if (text === undefined) return defaultPage
  const size = Number(text)
  if (Number.isInteger(size) && size >= 1 && size <= largest) return size
  throw new ServiceError({
    code: 'InvalidParameter',
    message: '$top is not a page size.',
    target: '$top',
    expected: `a whole number from 1 to ${largest}`,
    found: JSON.stringify(text).slice(0, 40),
    remedy: 'Omit it for pages of 50.',
  })
}

/** The next page begins where this one ends. */
function nextLink(
  request: FastifyRequest,
  provider: Provider,
  limit: number,
  last: Decision,
  expanded: boolean,
): string {
  const version = (request.query as Record<string, string>)['api-version'] ?? ''
  const token = Buffer.from(JSON.stringify([last.at, last.id])).toString('base64url')
  return `${provider.issuer}/decisions?api-version=${version}&$top=${limit}${expanded ? '&$expand=claims' : ''}&$skiptoken=${token}`
}

function cursorOf(request: FastifyRequest): Pick<Decision, 'at' | 'id'> | undefined {
  const token = (request.query as Record<string, unknown>)['$skiptoken']
  if (token === undefined) return undefined
  try {
    const text = typeof token === 'string' ? Buffer.from(token, 'base64url').toString('utf8') : ''
    const [at, id] = JSON.parse(text) as unknown[]
    if (typeof at === 'string' && typeof id === 'string') return { at, id }
  } catch {
    // Said below.
  }
  throw new ServiceError({
    code: 'InvalidParameter',
    message: '$skiptoken was not issued by this service.',
    target: '$skiptoken',
    expected: 'one from a nextLink',
    remedy: 'Start at the first page.',
  })
}
