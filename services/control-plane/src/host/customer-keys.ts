import { randomBytes } from 'node:crypto'
import {
  authorityRemedy,
  identityAudience,
  keyAudience,
  ownSharedIssuer,
  type ErrorDetail,
  type KeyBundle,
  type KeyOperationResult,
  type ManagedIdentityToken,
  type ManagedIdentityTokenRequest,
  type ReleaseAuthority,
  type ReleaseCondition,
  type SettledCode,
} from '@strongroom/contract'
import { ServiceError, type Clock, type TokenSource, type WireClient } from '@strongroom/platform'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'
import { faqRule } from '../arm/faq-rule.ts'
import { withoutFinalSlashes } from '../arm/ids/resource-id.ts'

const apiVersion = 'api-version=7.4'
const algorithm = 'RSA-OAEP-256'

interface Question {
  set: {
    /** ARM id. */
    id: string
    name: string
    /** ARM id of the resource whose identity it uses; undefined without one. */
    identity: string | undefined
  }
  keyUrl: string
  /** Provider that attests the VM's boots; undefined if no VM is involved. */
  authority?: string
  asker: OnBehalfOf
}

export interface AzureNames {
  /** Whether the operator maps Azure's shared providers in release policies to this installation's. */
  mapsAzureProviders?: boolean
  /** Whether Azure's names of those are answered now; default: never. */
  answersAzureNames?: () => boolean
}

/** Customers' keys as identities of disk-encryption sets may use them: the resource manager has no rights there. */
export class CustomerKeys {
  readonly #wire: WireClient
  readonly #tokens: TokenSource
  readonly #clock: Clock
  readonly #url: string
  readonly #azureMapped: () => boolean

  constructor(o: { wire: WireClient; tokens: TokenSource; clock: Clock; tenantId: string } & AzureNames) {
    this.#wire = o.wire
    this.#tokens = o.tokens
    this.#clock = o.clock
    this.#azureMapped = () => o.mapsAzureProviders === true || o.answersAzureNames?.() === true
    this.#url = `${identityAudience}/${o.tenantId}/managedIdentities/token`
  }

  /**
   * Whether a guest state can be wrapped with the key and opened again: the key exists, is usable now, exportable under
   * a policy that the VM's provider can satisfy, and the set's identity may read it, wrap and unwrap with it (tried on
   * random bytes).
   * @throws ServiceError with Azure's code
   */
  async check(q: Question): Promise<void> {
    const audience = keyAudience(q.keyUrl)
    const token = await this.#token(q, audience)
    const bundle = await this.#send<KeyBundle>(q, token, 'GET', '')
    this.#requireUsable(q, bundle)
    requireFit(q, bundle, this.#azureMapped())
    const probe = randomBytes(32).toString('base64url')
    const body = { alg: algorithm, value: probe }
    const wrapped = await this.#send<KeyOperationResult>(q, token, 'POST', '/wrapkey', body)
    const back = await this.#send<KeyOperationResult>(q, token, 'POST', '/unwrapkey', { ...body, value: wrapped.value })
    if (back.value !== probe) throw new TypeError('the key service did not unwrap what it wrapped')
  }

  async #token(q: Question, audience: string): Promise<string> {
    const resourceId = q.set.identity
    if (resourceId === undefined) throw withoutIdentity(q)
    const token = await this.#tokens.token('controlPlane', identityAudience)
    try {
      const body: ManagedIdentityTokenRequest = { resourceId, audience, ...(q.asker && { askedBy: q.asker }) }
      const reply = await this.#wire.request<ManagedIdentityToken>({ method: 'POST', url: this.#url, token, body })
      return reply.body.accessToken
    } catch (error) {
      if (error instanceof ServiceError && error.code === 'ManagedIdentityNotFound') throw withoutIdentity(q)
      throw error
    }
  }

  async #send<T>(q: Question, token: string, method: string, verb: string, body?: unknown): Promise<T> {
    try {
      const url = `${q.keyUrl}${verb}?${apiVersion}`
      return (await this.#wire.request<T>({ method, url, token, ...(body !== undefined && { body }) })).body
    } catch (error) {
      throw refusal(q, error)
    }
  }

  #requireUsable(q: Question, { attributes }: KeyBundle): void {
    const now = this.#clock.now().getTime() / 1000
    const refuse = (code: SettledCode, state: string, expected: string, found: string, remedy: string): ServiceError =>
      problem(q, { code, message: `The key vault key '${q.keyUrl}' is ${state}.`, expected, found, remedy })
    const time = (seconds: number): string => new Date(seconds * 1000).toISOString()
    if (attributes.enabled === false)
      throw refuse('KeyVaultKeyNotEnabled', 'not enabled', 'enabled', 'disabled', 'Enable the key, then try again.')
    if (attributes.exp !== undefined && now >= attributes.exp) {
      const remedy = 'Set a later expiry for the key, or rotate the set to a valid key.'
      throw refuse('KeyVaultKeyExpired', 'expired', `now before ${time(attributes.exp)}`, time(now), remedy)
    }
    if (attributes.nbf !== undefined && now < attributes.nbf) {
      const remedy = 'Wait, or set an earlier activation date for the key.'
      throw refuse('KeyVaultKeyNotYetValid', 'not yet valid', `not before ${time(attributes.nbf)}`, time(now), remedy)
    }
  }
}

/** Fixed properties of the key: changing its attributes would not help. */
function requireFit(q: Question, bundle: KeyBundle, azureMapped: boolean): void {
  const { key, attributes, release_policy: policy } = bundle
  const another = 'Create one: az keyvault key create --kty RSA-HSM --exportable true --default-cvm-policy.'
  const refuse = (
    code: SettledCode,
    what: string,
    expected: string,
    found: string,
    remedy: string = another,
  ): ServiceError =>
    problem(q, {
      code,
      message: `The key '${q.keyUrl}' cannot protect a confidential VM: ${what}.`,
      expected,
      found,
      remedy,
      // The host gets its key after attestation.
      details: [faqRule('S2')],
    })
  if (key.kty !== 'RSA-HSM')
    throw refuse('KeyVaultKeyTypeNotSupported', 'it is not an RSA key held by an HSM', 'RSA-HSM', key.kty)
  for (const operation of ['wrapKey', 'unwrapKey'] as const) {
    if (key.key_ops.includes(operation)) continue
    throw refuse(
      'KeyVaultKeyOperationNotPermitted',
      `its operations do not include ${operation}`,
      `key_ops with ${operation}`,
      key.key_ops.join(', ') || 'none',
    )
  }
  if (attributes.exportable !== true || policy === undefined)
    throw refuse(
      'KeyVaultKeyNotExportable',
      'it cannot be released to one',
      'exportable, with a release policy',
      'not exportable',
    )
  if (q.authority === undefined) return
  const misfit = policyMisfit(policy.data, q.authority, azureMapped)
  if (misfit !== undefined)
    throw refuse(
      'KeyVaultKeyReleasePolicyNotSatisfiable',
      `no boot attested by ${q.authority} can ever satisfy its release policy`,
      misfit.expected,
      misfit.found,
      misfit.remedy,
    )
}

/** A guest's token nests claims under this; a boot's token, which opens the guest state, is flat (facts section 6.4). */
const nested = 'x-ms-isolation-tee.'

/**
 * Why no boot's token can satisfy a release policy, on any host; undefined if one can. The key service decides the rest
 * on the actual token.
 */
export function policyMisfit(
  data: string,
  authority: string,
  azureMapped: boolean = false,
): { expected: string; found: string; remedy?: string } | undefined {
  let authorities: ReleaseAuthority[]
  try {
    const policy = JSON.parse(Buffer.from(data, 'base64url').toString('utf8')) as Partial<
      Record<'anyOf' | 'allOf', ReleaseAuthority[]>
    >
    authorities = policy.anyOf ?? policy.allOf ?? []
  } catch {
    return { expected: 'a release policy', found: 'something else' }
  }
  const normal = (uri: string): string => `https://${withoutFinalSlashes(uri.toLowerCase().replace(/^https:\/\//, ''))}`
  const azure = authorities
    .map((entry) => normal(entry.authority))
    .find((uri) => ownSharedIssuer(uri) === normal(authority))
  const isMeant = (uri: string): boolean => uri === normal(authority) || (azureMapped && uri === azure)
  const entries = authorities.filter((entry) => isMeant(normal(entry.authority)))
  if (entries.length === 0)
    return {
      ...(azure !== undefined && { remedy: authorityRemedy(azure) }),
      expected: `an entry for the authority ${authority}`,
      found:
        authorities
          .map((entry) => entry.authority)
          .join(', ')
          .slice(0, 300) || 'none',
    }
  if (entries.some((entry) => canHold(entry))) return undefined
  return {
    expected: 'claims of a boot, for example x-ms-compliance-status',
    found: `claims under ${nested}*, which a guest’s token has`,
  }
}

function canHold(condition: ReleaseCondition): boolean {
  if ('claim' in condition) return !condition.claim.startsWith(nested) || ('exists' in condition && !condition.exists)
  return 'allOf' in condition ? condition.allOf.every(canHold) : condition.anyOf.some(canHold)
}

const problem = (
  q: Question,
  o: {
    code: SettledCode
    message: string
    expected: string
    found: string
    remedy: string
    details?: ErrorDetail[]
    cause?: unknown
  },
): ServiceError => new ServiceError({ ...o, target: q.keyUrl })

function withoutIdentity(q: Question): ServiceError {
  return problem(q, {
    code: 'DiskEncryptionSetWithoutIdentity',
    message: `The disk encryption set '${q.set.id}' has no identity in the directory, so its key cannot be read.`,
    expected: 'a managed identity',
    found: 'none',
    remedy:
      `az disk-encryption-set identity assign --name ${q.set.name} --system-assigned, then grant it get, wrapKey ` +
      'and unwrapKey on the key.',
  })
}

/** The key service's refusal, in the words of disk encryption. */
function refusal(q: Question, error: unknown): unknown {
  if (!(error instanceof ServiceError) || error.status >= 500 || error.status === 429) return error
  const cause = { cause: error, details: [error.toDetail()] }
  if (error.status === 404) {
    return new ServiceError({
      ...(error.code === 'VaultNotFound' ? { code: 'KeyVaultNotFound', status: 409 } : { code: 'KeyVaultKeyNotFound' }),
      message: `The key vault key '${q.keyUrl}' was not found: ${error.message}`,
      target: q.keyUrl,
      expected: 'an existing key with this version',
      found: error.found ?? 'none, or one that was deleted',
      remedy: 'Recover the key or its vault if it was deleted: az keyvault key recover.',
      ...cause,
    })
  }
  if (error.status !== 401 && error.status !== 403) return error
  return new ServiceError({
    code: 'KeyVaultAccessForbidden',
    message:
      `Unable to access key vault resource '${q.keyUrl}' to enable encryption at rest. Please grant get, wrap and ` +
      `unwrap key permissions to disk encryption set '${q.set.name}'. Please visit ` +
      'https://aka.ms/keyvaultaccessssecmk for more information.',
    target: q.keyUrl,
    expected: `get, wrapKey and unwrapKey for the identity of ${q.set.id}`,
    found: error.found ?? error.reason ?? error.code,
    remedy:
      error.remedy ??
      'az keyvault set-policy --object-id {principalId of the set} --key-permissions get wrapKey unwrapKey, or ' +
        'the role Key Vault Crypto Service Encryption User at the key.',
    ...cause,
  })
}
