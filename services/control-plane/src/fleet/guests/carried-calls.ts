import {
  attestationAudience,
  identityAudience,
  keyAudience,
  vaultAudience,
  type CarriedCall,
  type InstanceSpec,
  type ManagedIdentityToken,
} from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'

interface Rule {
  method: CarriedCall['method']
  /** Without its query. */
  url: string
  audience?: string
  /** Called as this identity, by ARM id, and not as the platform. */
  identity?: string
}

interface Services {
  wire: WireClient
  tokens: TokenSource
  tenantId: string
}

const identityUrl = (tenantId: string): string => `${identityAudience}/${tenantId}/managedIdentities/token`

/** What one VM's boots and guest may request from other services. */
function rulesFor(spec: InstanceSpec, tenantId: string): Rule[] {
  const { attestationProvider: provider, guestStateKey: key } = spec
  return [
    { method: 'POST', url: `${provider}/attest/SevSnpVm`, audience: attestationAudience },
    { method: 'POST', url: `${provider}/attest/TdxVm`, audience: attestationAudience },
    { method: 'GET', url: `${provider}/certs` },
    ...(key === undefined
      ? []
      : ([
          { method: 'GET', url: key, audience: vaultAudience },
          { method: 'POST', url: `${key}/release`, audience: vaultAudience },
          { method: 'POST', url: `${key}/guest-state-generation`, audience: vaultAudience },
        ] as const)),
    ...customerRules(spec),
    { method: 'POST', url: identityUrl(tenantId), audience: identityAudience },
  ]
}

/** The keys of its disk-encryption set: read as the set's identity, released as the orchestrator to an attested boot. */
const customerRules = ({ customerKey }: InstanceSpec): Rule[] =>
  (customerKey?.keyIds ?? []).flatMap((keyId): Rule[] => {
    const audience = keyAudience(keyId)
    return [
      { method: 'GET', url: keyId, audience, ...(customerKey && { identity: customerKey.identity }) },
      { method: 'POST', url: `${keyId}/release`, audience },
    ]
  })

/**
 * Makes a request for a host's own VM, with the platform's rights: the host has no token, and reaches no other VM's
 * key, provider or identity.
 * @throws ServiceError CallNotCarried, or the service's error
 */
export async function callFor(o: Services, spec: InstanceSpec, asked: CarriedCall): Promise<Record<string, unknown>> {
  const target = targetOf(asked)
  const rule = rulesFor(spec, o.tenantId).find((each) => each.method === asked.method && each.url === target?.url)
  if (rule === undefined || target === undefined) throw notCarried(asked)
  if (rule.url === identityUrl(o.tenantId)) {
    // The set's identity may unwrap with the customer's key, without attestation: its token stays here.
    const { customerKey } = spec
    if (customerKey !== undefined && asked.body?.['resourceId'] === customerKey.identity) return { accessToken: '' }
    if (asked.body?.['resourceId'] !== spec.resourceId) throw notCarried(asked)
  }
  const token = await tokenFor(o, rule)
  const { body } = await o.wire.request<Record<string, unknown>>({
    method: asked.method,
    url: `${rule.url}${target.query}`,
    ...(token !== undefined && { token }),
    ...(asked.body !== undefined && { body: asked.body }),
  })
  return body
}

/** As the service that is called will parse it; undefined if it is written in another way or has more than an API version. */
function targetOf({ url: text }: CarriedCall): { url: string; query: string } | undefined {
  const parsed = URL.parse(text)
  if (parsed === null) return undefined
  const { origin, pathname, search: query } = parsed
  const url = `${origin}${pathname}`
  return `${url}${query}` === text && /^(\?api-version=[0-9A-Za-z.-]{1,40})?$/.test(query) ? { url, query } : undefined
}

async function tokenFor(o: Services, { audience, identity }: Rule): Promise<string | undefined> {
  if (audience === undefined) return undefined
  if (identity === undefined) return await o.tokens.token('orchestrator', audience)
  const token = await o.tokens.token('orchestrator', identityAudience)
  const body = { resourceId: identity, audience }
  const url = identityUrl(o.tenantId)
  return (await o.wire.request<ManagedIdentityToken>({ method: 'POST', url, token, body })).body.accessToken
}

const notCarried = ({ method, url }: CarriedCall): ServiceError =>
  new ServiceError({
    code: 'CallNotCarried',
    message: 'No boot of this virtual machine needs such a call.',
    expected: 'its attestation provider, its keys, or its own identity',
    found: `${method} ${url.slice(0, 200)}`,
  })
