import {
  attestationAudience,
  identityAudience,
  vaultAudience,
  type CarriedCall,
  type InstanceSpec,
} from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'

interface Rule {
  method: CarriedCall['method']
  /** Without its query. */
  url: string
  audience?: string
}

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
    { method: 'POST', url: `${identityAudience}/${tenantId}/managedIdentities/token`, audience: identityAudience },
  ]
}

/**
 * Makes a request for a host's own VM, with the platform's rights: the host has no token, and reaches no other VM's
 * key, provider or identity.
 * @throws ServiceError CallNotCarried, or the service's error
 */
export async function callFor(
  o: { wire: WireClient; tokens: TokenSource; tenantId: string },
  spec: InstanceSpec,
  asked: CarriedCall,
): Promise<Record<string, unknown>> {
  const [url = '', query = ''] = asked.url.split('?')
  const rule = rulesFor(spec, o.tenantId).find((each) => each.method === asked.method && each.url === url)
  const isOwnIdentity = rule?.audience !== identityAudience || asked.body?.['resourceId'] === spec.resourceId
  if (rule === undefined || !isOwnIdentity || !/^(api-version=[0-9A-Za-z.-]{1,40})?$/.test(query)) throw notCarried(asked) // prettier-ignore
  const token = rule.audience === undefined ? undefined : await o.tokens.token('orchestrator', rule.audience)
  const { body } = await o.wire.request<Record<string, unknown>>({
    method: asked.method,
    url: asked.url,
    ...(token !== undefined && { token }),
    ...(asked.body !== undefined && { body: asked.body }),
  })
  return body
}

const notCarried = ({ method, url }: CarriedCall): ServiceError =>
  new ServiceError({
    code: 'CallNotCarried',
    message: 'No boot of this virtual machine needs such a call.',
    expected: 'its attestation provider, its key, or its own identity',
    found: `${method} ${url.slice(0, 200)}`,
  })
