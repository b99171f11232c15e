import type { KeyBundle, ReleasePolicy } from '@strongroom/contract'
import type { WireRequest } from '@strongroom/platform'

interface Answer {
  status: number
  body?: unknown
}

export interface FakeKey {
  kty?: string
  keyOps?: string[]
  attributes?: KeyBundle['attributes']
  /** Null: not exportable. */
  policy?: ReleasePolicy | null
  deleted?: boolean
}

const shared = 'https://sharedweu.weu.attest.strongroom.internal'

/** The policy from `--default-cvm-policy` for a region's shared provider. */
export const cvmPolicy = (authority: string = shared): ReleasePolicy => ({
  version: '1.0.0',
  anyOf: [{ authority, allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }] }],
})

/** Tenants' vaults and HSMs as seen by identities of disk-encryption sets. Its tokens name resource and audience. */
export class FakeCustomerKeys {
  /** By key identifier. */
  readonly keys: Map<string, FakeKey> = new Map<string, FakeKey>()
  /** Rights: `{resource id} {verb}`, lower case; verbs get, wrapkey, unwrapkey. */
  readonly grants: Set<string> = new Set<string>()

  grant(resourceId: string, verbs: string[] = ['get', 'wrapkey', 'unwrapkey']): void {
    for (const verb of verbs) this.grants.add(`${resourceId.toLowerCase()} ${verb}`)
  }

  token(o: { resourceId: string; audience: string }): string {
    return `${o.resourceId.toLowerCase()}|${o.audience}`
  }

  answer(o: WireRequest, url: URL): Answer {
    const [, , name = '', version = '', verb = 'get'] = url.pathname.split('/')
    const kid = `https://${url.hostname}/keys/${name}/${version}`
    const [who = '', audience] = (o.token ?? '').split('|')
    const wanted = url.hostname.includes('.managedhsm.') ? 'https://managedhsm.azure.net' : 'https://vault.azure.net'
    if (audience !== wanted) return problem(401, 'Unauthorized')
    if (!this.grants.has(`${who} ${verb}`)) return problem(403, 'Forbidden')
    const key = this.keys.get(kid)
    if (key === undefined || key.deleted === true) return problem(404, 'KeyNotFound')
    if (verb !== 'get') return { status: 200, body: { kid, value: (o.body as { value: string }).value } }
    const data = Buffer.from(JSON.stringify(key.policy ?? cvmPolicy())).toString('base64url')
    const bundle = {
      key: { kid, kty: key.kty ?? 'RSA-HSM', key_ops: key.keyOps ?? ['wrapKey', 'unwrapKey'], n: '', e: '' },
      attributes: { enabled: true, exportable: key.policy !== null, ...key.attributes },
      tags: {},
      ...(key.policy !== null && { release_policy: { data } }),
    }
    return { status: 200, body: bundle }
  }
}

const problem = (status: number, code: string): Answer => ({ status, body: { error: { code, message: code } } })
