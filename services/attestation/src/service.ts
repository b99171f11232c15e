import * as nodeCrypto from 'node:crypto'
import { type Means, nodePrimitives, type TrustAnchors, VerificationCache } from '@strongroom/evidence'
import { createHttpApp, openStore, ServiceError, type Service, type ServiceContext } from '@strongroom/platform'
import { Attester } from './attest.ts'
import { AmdCollateral } from './collateral/amd.ts'
import { CollateralCache } from './collateral/cache.ts'
import { IntelCollateral } from './collateral/intel.ts'
import { openAnchors } from './evidence/anchors.ts'
import type { ComplianceBaseline } from './evidence/compliance.ts'
import { SnpVerifier } from './evidence/snp.ts'
import { TdxVerifier } from './evidence/tdx.ts'
import { AttestationKeyAuthorities } from './guest/ak-certificate.ts'
import { Freshness } from './guest/freshness.ts'
import { GuestVerifier } from './guest/guest-verifier.ts'
import { SigningKeys } from './keys/signing-keys.ts'
import { Policies } from './policy/policies.ts'
import { Providers, type OfferedType } from './providers/providers.ts'
import { attestRoutes, type OnRefused } from './routes/attest-routes.ts'
import { discoveryRoutes } from './routes/discovery-routes.ts'
import { policyRoutes } from './routes/policy-routes.ts'
import { Decisions } from './store/decisions.ts'
import { migrations } from './store/migrations.ts'
import { TokenIssuer } from './tokens/token.ts'

export interface AttestationOptions {
  anchors: TrustAnchors
  /** Where endorsements come from, for example https://collateral.strongroom.internal. No other address is ever called. */
  collateralUrl: string
  /** Who may read and set policies. Absent: nobody. */
  ownerObjectId?: string
  /** Paravisors under which genuine silicon counts as compliant. Absent: none. */
  baseline?: ComplianceBaseline
  /** PEM of the authorities that certify attestation keys of guests' TPMs. Absent: none, and so no guest is attested. */
  attestationKeyAuthorities?: readonly string[]
}

/**
 * Verifies evidence of AMD and Intel, evaluates policies, signs tokens: Azure Attestation's wire, one provider per host.
 * @throws ServiceError TrustAnchorsNotAllowed, TrustAnchorsMissing
 */
export async function createAttestationService(context: ServiceContext & AttestationOptions): Promise<Service> {
  const anchors = openAnchors(context.anchors, context.installation.mode)
  const logger = context.logger.child({ service: 'attestation' })
  const { clock } = context
  const newId = (): string => context.newId()
  const store = await openStore({ url: context.storeUrl, service: 'attestation' })
  try {
    await store.migrate('attestation', migrations)
  } catch (error) {
    await store.close()
    throw error
  }
  const providers = new Providers()
  const keys = new SigningKeys({ store, sealer: context.sealer.derive('attestation'), clock })
  const tokens = new TokenIssuer({ keys, clock })
  const policies = new Policies({ store, clock })
  const decisions = new Decisions({ store, clock, newId })
  const cache = new CollateralCache({ store, wire: context.wire, clock, logger, baseUrl: context.collateralUrl })
  const baseline = context.baseline ?? { launchMeasurements: [], idKeyDigests: [] }
  // The cache keeps parsed bytes and good signatures only: time, trust and revocation are judged at each request.
  const means: Means = { primitives: nodePrimitives(nodeCrypto), cache: new VerificationCache() }
  const snp = new SnpVerifier({ anchors, collateral: new AmdCollateral(cache), baseline, clock, means })
  const tdx = new TdxVerifier({ anchors, collateral: new IntelCollateral(cache), baseline, clock, means })
  const freshness = new Freshness({ store, clock })
  const authorities = new AttestationKeyAuthorities({ pem: context.attestationKeyAuthorities ?? [], means })
  const guest = new GuestVerifier({ authorities, snp, tdx, freshness, clock, mode: context.installation.mode })
  const attester = new Attester({ policies, tokens, decisions })

  const onRefused: OnRefused = async ({ provider, type, body, error }) => {
    if (!(error instanceof ServiceError)) return
    // What was refused may be no evidence at all, so the digest is over what was sent.
    const sent = body[evidenceMember[type]] ?? body['AttestationInfo']
    await decisions.record({
      provider,
      type,
      evidence_digest: nodeCrypto
        .createHash('sha256')
        .update(typeof sent === 'string' ? sent : '')
        .digest('hex'),
      policy_hash: '',
      outcome: 'Refused',
      code: error.details?.[0]?.code ?? error.code,
      message: error.message,
      token_id: null,
      simulated: 0,
    })
  }

  const app = createHttpApp({ name: 'attestation', logger: context.logger })
  discoveryRoutes(app, { providers, keys })
  attestRoutes(app, { providers, attester, snp, tdx, guest, onRefused })
  await policyRoutes(app, {
    providers,
    policies,
    tokens,
    verifier: context.verifier,
    tenantId: context.installation.tenantId,
    allowed: (objectId) => context.ownerObjectId !== undefined && objectId === context.ownerObjectId,
  })
  return {
    name: 'attestation',
    hosts: [{ matches: (host) => providers.get(host) !== undefined, app }],
    // The key is made before the first boot waits for it.
    start: async () => {
      for (const provider of providers.all()) await keys.current(provider)
    },
    close: async () => {
      await app.close()
      await store.close()
    },
  }
}

/** Member of each request that holds the evidence. */
const evidenceMember: Record<OfferedType, string> = {
  SevSnpVm: 'report',
  TdxVm: 'quote',
  AzureGuest: 'attestationInfo',
  Tpm: 'data',
}
