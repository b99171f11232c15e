import { graphHost, loginHost } from '@strongroom/contract'
import { identityWire } from '@strongroom/contract/wires'
import {
  createHttpApp,
  openServiceStore,
  serveWire,
  type Service,
  type ServiceContext,
  type Store,
  type TokenVerifier,
} from '@strongroom/platform'
import type { JWK } from 'jose'
import { createAssertionVerifier } from './client-assertion.ts'
import { Credentials } from './directory/credentials.ts'
import { DeviceCodes } from './device/device-codes.ts'
import { Directory } from './directory/directory.ts'
import { addAuthorizeEndpoint } from './browser/authorize-endpoint.ts'
import { addDiscovery } from './discovery.ts'
import { addFederatedCredentials } from './federation/federated-credential-routes.ts'
import { createGraphApp } from './graph/app.ts'
import { openTokenKey } from './tokens/keys.ts'
import { Assignments } from './managed-identity/assignments.ts'
import { addManagedIdentities } from './managed-identity/managed-identity-routes.ts'
import { addMemberGroups } from './member-groups.ts'
import { OwnerSocket, ownerRoutes, type OwnerRoute } from './owner-socket.ts'
import { Principals, type Principal } from './directory/principals.ts'
import { allowOrigins, portalApp } from './browser/single-page-apps.ts'
import { SignIns } from './browser/sign-ins.ts'
import { migrations, settingOnce } from './directory/store.ts'
import { addTokenEndpoint } from './token-endpoint.ts'
import { createIssuer, type IssuedToken } from './tokens/tokens.ts'
import { createTokenVerifier } from './tokens/verifier.ts'

export type IdentityContext = Omit<ServiceContext, 'verifier' | 'tokens' | 'wire' | 'cacheDir'> & {
  /** Reads documents of other issuers, for federated application tokens; default: https to public names. */
  fetchJson?: (url: string) => Promise<unknown>
  /** Routes of `ownerSocketWire` that belong to another service. */
  ownerRoutes: Record<string, OwnerRoute>
  /** Name of its part of the store; several tests share a database. */
  storeService?: string
}

export interface IdentityService extends Service {
  issuer: string
  jwks: { keys: JWK[] }
  /** Verifies this installation's tokens for all services. */
  verifier: TokenVerifier
  ownerObjectId: string
  /** At the first start only: the owner's secret is shown this once and stored as a hash. */
  firstStart?: { ownerAppId: string; ownerSecret: string }
  /** Creates or renames a principal. With `secret` it signs in by that secret while this process lives; the secret is not written. */
  setPrincipal(o: { appId: string; displayName: string; secret?: string }): Promise<Principal & { secret?: string }>
  ownerToken(audience: string): Promise<string>
  /** A resource's system-assigned identity, created if missing. */
  ensureManagedIdentity(o: { resourceId: string; displayName: string }): Promise<Principal>
  removeManagedIdentity(resourceId: string): Promise<void>
  /** For the metadata endpoint. @throws ServiceError 400 ManagedIdentityNotFound */
  managedIdentityToken(o: { resourceId: string; audience: string }): Promise<IssuedToken & { clientId: string }>
}

/** The installation's directory: Entra's wire for service principals, and the owner's socket. */
export async function createIdentityService(context: IdentityContext): Promise<IdentityService> {
  const store = await openServiceStore(context, context.storeService ?? 'identity')
  try {
    return await openService(context, store)
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openService(context: IdentityContext, store: Store): Promise<IdentityService> {
  const { clock, newId } = context
  const { tenantId } = context.installation
  await store.migrate('identity', migrations)
  const key = await openTokenKey(store, context.sealer.derive('identity'))
  const issuer = `https://${loginHost}/${tenantId}/v2.0`
  const principals = new Principals({ store, clock, newId })
  const assignments = new Assignments({ store, principals })
  const directory = new Directory({ store, clock, newId })
  const groupsOf = async (objectId: string): Promise<string[]> => await directory.groupsOf(objectId)
  const tokens = createIssuer({ key, issuer, tenantId, clock, newId, groupsOf })
  const credentials = new Credentials({ store, clock, newId })
  const devices = new DeviceCodes({ store, clock })
  const owner = await openOwner(store, principals, newId)
  const jwks = { keys: [key.publicJwk] }
  // Names that clients use without a tenant id.
  const isTenant = (name: string): boolean => [tenantId, 'common', 'organizations'].includes(name.toLowerCase())

  const app = createHttpApp({ name: 'identity', logger: context.logger, bodyLimit: 64 * 1024 })
  serveWire(app, identityWire, { constants: { tenant: tenantId } })
  app.addContentTypeParser<string>(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    (_request, body, done) => {
      done(null, new URLSearchParams(body))
    },
  )
  const apps = [portalApp(context.installation.ports.local)]
  const signIns = new SignIns(clock)
  allowOrigins(app, apps)
  addAuthorizeEndpoint(app, { apps, signIns, clock, isTenant })
  addDiscovery(app, { issuer, tenantId, jwks, clock, isTenant })
  const assertions = createAssertionVerifier({
    credentials,
    clock,
    tenantId,
    own: { issuer, jwks },
    ...(context.fetchJson !== undefined && { fetchJson: context.fetchJson }),
  })
  addTokenEndpoint(app, {
    principals,
    assertions,
    devices,
    apps,
    signIns,
    issuer: tokens,
    clock,
    tenantId,
    isTenant,
    owner: owner.principal,
  })
  const verifier = createTokenVerifier({
    issuer,
    tenantId,
    clock,
    keyOf: (kid) => (kid === key.kid ? key.publicKey : undefined),
  })
  addManagedIdentities(app, { principals, assignments, tokens, verifier, tenantId })
  addFederatedCredentials(app, { principals, credentials, verifier, tenantId })
  addMemberGroups(app, { directory, principals, verifier, tenantId })
  const graph = createGraphApp({
    logger: context.logger,
    verifier,
    principals,
    credentials,
    directory,
    ownerObjectId: owner.principal.objectId,
    tenantId,
    newId,
  })

  const socket = new OwnerSocket({
    stateDir: context.stateDir,
    logger: context.logger,
    routes: {
      ...ownerRoutes({ owner: owner.principal, tokens, credentials, devices, signIns, clock, tenantId }),
      ...context.ownerRoutes,
    },
  })
  return {
    name: 'identity',
    hosts: [
      { matches: (host) => host === loginHost, app },
      { matches: (host) => host === graphHost, app: graph },
    ],
    start: () => socket.listen(),
    close: async () => {
      await socket.close()
      await app.close()
      await graph.close()
      await store.close()
    },
    issuer,
    jwks,
    verifier,
    ownerObjectId: owner.principal.objectId,
    ...(owner.secret !== undefined && { firstStart: { ownerAppId: owner.principal.appId, ownerSecret: owner.secret } }),
    setPrincipal: async ({ appId, displayName, secret }) => {
      const principal = await principals.set({ appId, displayName })
      if (secret === undefined) return principal
      principals.setInMemorySecret(appId, secret)
      return { ...principal, secret }
    },
    ownerToken: async (audience) => (await tokens.access(owner.principal, audience)).accessToken,
    ensureManagedIdentity: ({ resourceId, displayName }) => principals.ensureManagedIdentity(resourceId, displayName),
    removeManagedIdentity: (resourceId) => principals.removeManagedIdentity(resourceId),
    managedIdentityToken: async ({ resourceId, audience }) => {
      const principal = await assignments.choose(resourceId, {})
      return { ...(await tokens.access(principal, audience)), clientId: principal.appId }
    },
  }
}

/** The owner is created once; after a crash between principal and secret, the next start creates the secret. */
async function openOwner(
  store: Store,
  principals: Principals,
  newId: () => string,
): Promise<{ principal: Principal; secret?: string }> {
  const appId = await settingOnce(store, 'owner-app-id', () => Promise.resolve(newId()))
  const kept = await principals.byAppId(appId)
  if (kept && (await principals.hasSecret(appId))) return { principal: kept }
  const principal = kept ?? (await principals.set({ appId, displayName: 'Owner' }))
  return { principal, secret: await principals.addSecret(appId, { replace: true }) }
}
