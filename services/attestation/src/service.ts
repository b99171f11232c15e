import * as nodeCrypto from 'node:crypto'
import { attestationManagementHost, ownSharedHost } from '@strongroom/contract'
import { attestationWire } from '@strongroom/contract/wires'
import { type VerifyContext, nodePrimitives, type TrustAnchors, VerificationCache } from '@strongroom/evidence'
import { createHttpApp, openServiceStore, serveWire, type Service, type ServiceContext } from '@strongroom/platform'
import { Attester } from './tokens/attester.ts'
import { collateralRoutes } from './routes/collateral-routes.ts'
import { Collateral } from './collateral/collateral.ts'
import { readVendorEndpoints } from './collateral/endpoints.ts'
import { readAcceptedSilicon } from './anchors/accepted-silicon.ts'
import { openAnchors } from './anchors/anchors.ts'
import type { ComplianceBaseline } from './evidence/compliance.ts'
import { SnpVerifier } from './evidence/snp.ts'
import { readTcbMinimum } from './evidence/tcb-minimum.ts'
import { TdxVerifier } from './evidence/tdx.ts'
import { AttestationKeyAuthorities } from './tpm/ak-certificate.ts'
import { Freshness } from './tpm/freshness.ts'
import { GuestVerifier } from './guest/guest-verifier.ts'
import { SigningKeys } from './keys/signing-keys.ts'
import { Policies } from './policy/policies.ts'
import { PolicyCertificates } from './policy/policy-certificates.ts'
import { Providers, sharedProvider } from './providers/providers.ts'
import { Rights } from './providers/rights.ts'
import { refusalRecorder } from './routes/refusals.ts'
import { attestRoutes } from './routes/attest-routes.ts'
import { certificateRoutes } from './routes/certificate-routes.ts'
import { defaultCallerLimit, limited, type CallerLimit } from './routes/caller-limit.ts'
import { decisionRoutes } from './routes/decision-routes.ts'
import { discoveryRoutes } from './routes/discovery-routes.ts'
import { policyRoutes } from './routes/policy-routes.ts'
import { providerRoutes } from './routes/provider-routes.ts'
import { tcbBaselineRoutes } from './routes/tcb-baseline-routes.ts'
import { Challenges } from './tpm/challenges.ts'
import { TpmVerifier } from './tpm/tpm-verifier.ts'
import { Decisions } from './store/decisions.ts'
import { migrations } from './store/migrations.ts'
import { TokenIssuer } from './tokens/token.ts'

/** How often signing keys are checked. */
const dayMs = 24 * 3600_000

export interface AttestationOptions {
  anchors: TrustAnchors
  /**
   * Endorsements of the installation's own processors, for example https://collateral.strongroom.internal. Only this
   * and the addresses in STATE/collateral-endpoints.json are ever called.
   */
  collateralUrl: string
  /** May read and set policies of regions' shared providers. By default nobody. */
  ownerObjectId?: string
  /** Paravisors under which genuine silicon counts as compliant. Default: none. */
  baseline?: ComplianceBaseline
  /** PEM of the authorities that certify attestation keys of guests' TPMs. Default: none, so no guest is attested. */
  attestationKeyAuthorities?: readonly string[]
  /** Limit on one caller's attest calls. */
  callerLimit?: CallerLimit
  /** Object ids of principals that attest for the platform: they are counted separately. Default: none. */
  platformCallers?: readonly string[]
  /** Name of the store within `storeUrl`. */
  storeService?: string
  /** Whether Azure's names of the shared providers are answered now; default: never. */
  answersAzureNames?: () => boolean
}

/**
 * Verifies evidence of AMD and Intel, evaluates policies, signs tokens: Azure Attestation's wire, one provider per host.
 * @throws ServiceError TrustAnchorsNotAllowed, TrustAnchorsMissing, AcceptedSiliconInvalid, TcbMinimumInvalid,
 *   AttestationVerifierNameTaken
 */
export async function createAttestationService(context: ServiceContext & AttestationOptions): Promise<Service> {
  const accepted = await readAcceptedSilicon(context.stateDir)
  const anchors = openAnchors(context.anchors, context.installation.mode, accepted)
  const tcbMinimum = await readTcbMinimum(context.stateDir)
  const logger = context.logger.child({ service: 'attestation' })
  const { clock } = context
  const newId = (): string => context.newId()
  const endpoints = await readVendorEndpoints(context.stateDir, context.installation.mode)
  const store = await openServiceStore(context, context.storeService ?? 'attestation')
  try {
    await store.migrate('attestation', migrations)
  } catch (error) {
    await store.close()
    throw error
  }
  const elsewhere = (context.verifiers ?? []).map(({ issuer }) => new URL(issuer).hostname)
  const providers = new Providers({ store, clock, elsewhere })
  try {
    await providers.reserveElsewhere()
  } catch (error) {
    await store.close()
    throw error
  }
  const keys = new SigningKeys({ store, sealer: context.sealer.derive('attestation'), clock })
  const tokens = new TokenIssuer({ keys, clock })
  const policies = new Policies({ store, clock })
  const decisions = new Decisions({ store, clock, newId })
  const { wire, collateralUrl: baseUrl } = context
  const collateral = new Collateral({ store, wire, clock, logger, baseUrl, endpoints, anchors })
  const baseline = context.baseline ?? { launchMeasurements: [], idKeyDigests: [] }
  // The cache stores only parsed bytes and valid signatures: time, trust and revocation are judged at each request.
  const verification: VerifyContext = { primitives: nodePrimitives(nodeCrypto), cache: new VerificationCache() }
  const snp = new SnpVerifier({
    anchors,
    collateral: collateral.amd,
    baseline,
    tcbMinimum,
    clock,
    context: verification,
  })
  const tdx = new TdxVerifier({ anchors, collateral: collateral.intel, baseline, clock, context: verification })
  const freshness = new Freshness({ store, clock })
  const authorities = new AttestationKeyAuthorities({
    pem: context.attestationKeyAuthorities ?? [],
    context: verification,
  })
  const { mode } = context.installation
  const guest = new GuestVerifier({ authorities, snp, tdx, freshness, clock, mode })
  const challenges = new Challenges({ sealer: context.sealer.derive('attestation'), clock })
  const tpm = new TpmVerifier({ authorities, challenges, freshness, clock, mode })
  const attester = new Attester({ policies, tokens, decisions })

  const onRefused = refusalRecorder(decisions)

  const isOwner = (objectId: string): boolean =>
    context.ownerObjectId !== undefined && objectId === context.ownerObjectId
  const app = createHttpApp({ name: 'attestation', logger: context.logger })
  serveWire(app, attestationWire)
  discoveryRoutes(app, { providers, keys })
  const { verifier, callerLimit: limit = defaultCallerLimit, platformCallers: platform = [] } = context
  await limited(app, { limit, verifier, platform }, (scope, counted) => {
    attestRoutes(scope, { providers, attester, snp, tdx, guest, tpm, challenges, onRefused, counted })
    tcbBaselineRoutes(scope, { providers, collateral, tcbMinimum })
  })
  const { tenantId } = context.installation
  const now = (): Date => clock.now()
  const certificates = new PolicyCertificates({ store, clock })
  const rights = new Rights({ wire, tokens: context.tokens, isOwner })
  const management = { providers, policies, certificates, tokens, verifier, tenantId, rights, now }
  await policyRoutes(app, management)
  await certificateRoutes(app, management)
  await decisionRoutes(app, { ...management, decisions })
  const managementApp = createHttpApp({ name: 'attestation-management', logger: context.logger })
  providerRoutes(managementApp, { providers, keys, verifier, tenantId, now })
  await collateralRoutes(app, { collateral, verifier: context.verifier, tenantId, allowed: isOwner })
  let renewal: NodeJS.Timeout | undefined
  const renewKeys = async (): Promise<void> => {
    const present = await providers.all()
    keys.keepOnly(present)
    for (const provider of present)
      if (await keys.renew(provider)) logger.info({ provider: provider.host }, 'signing key renewed')
  }
  return {
    name: 'attestation',
    hosts: [
      { matches: (host) => providers.serves(host), app },
      { matches: (host) => ownSharedHost(host) !== undefined && context.answersAzureNames?.() === true, app },
      { matches: (host) => host === attestationManagementHost, app: managementApp },
    ],
    start: async () => {
      // Created before the first boot waits for it; other providers' keys on first use.
      await keys.current(sharedProvider)
      await renewKeys()
      renewal = setInterval(
        () => void renewKeys().catch((error: unknown) => logger.error({ error }, 'no key was renewed')),
        dayMs,
      )
      renewal.unref()
      collateral.start()
    },
    close: async () => {
      clearInterval(renewal)
      await app.close()
      await managementApp.close()
      await collateral.close()
      await store.close()
    },
  }
}
