import { collateralBundleFormat, type CollateralBundle, type CollateralBundleItem } from '@strongroom/contract'
import { chipLimit } from './collateral-rows.ts'
import { kindOf, type CollateralKind } from './kinds.ts'

/** A bundle item with its bytes, not yet verified. */
export interface BundledItem {
  path: string
  kind: CollateralKind
  body: Uint8Array
  headers: Record<string, string>
  expiresAt: Date
}

export interface Refusal {
  path: string
  expected: string
  found: string
}

/** More than is stored for one source. */
const itemLimit = chipLimit + 2_000
const headerNames = new Set(['tcb-info-issuer-chain', 'sgx-enclave-identity-issuer-chain', 'sgx-pck-crl-issuer-chain'])

/** The items of a bundle, or every reason why it is invalid. */
export function readBundle(value: unknown): { items: BundledItem[] } | { refusals: Refusal[] } {
  const bundle = (value ?? {}) as Partial<CollateralBundle>
  if (bundle.format !== collateralBundleFormat || bundle.version !== 1 || !Array.isArray(bundle.items))
    return { refusals: [{ path: '', expected: `${collateralBundleFormat}, version 1`, found: 'another document' }] }
  if (bundle.items.length > itemLimit)
    return { refusals: [{ path: '', expected: `at most ${itemLimit} items`, found: String(bundle.items.length) }] }
  const read = bundle.items.map((item) => readItem(item))
  const refusals = read.filter((each): each is Refusal => 'found' in each)
  const items = read.filter((each): each is BundledItem => !('found' in each))
  const seen = new Set<string>()
  for (const { path } of items) {
    if (seen.has(path)) refusals.push({ path, expected: 'each path once', found: 'the same path twice' })
    seen.add(path)
  }
  return refusals.length > 0 ? { refusals } : { items }
}

function readItem(value: unknown): BundledItem | Refusal {
  const { path, body, headers } = (value ?? {}) as Partial<Record<keyof CollateralBundleItem, unknown>>
  if (typeof path !== 'string') return { path: '', expected: 'an item with a path', found: typeof path }
  const kind = kindOf(path)
  const shown = path.slice(0, 200)
  if (kind === undefined) return { path: shown, expected: 'a path of AMD’s or Intel’s service', found: 'another path' }
  if (typeof body !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(body))
    return { path: shown, expected: 'a body in base64', found: typeof body }
  if (!isHeaders(headers)) return { path: shown, expected: 'headers with issuers’ chains alone', found: 'others' }
  const bytes = Uint8Array.from(Buffer.from(body, 'base64'))
  try {
    return { path, kind, body: bytes, headers, expiresAt: kind.expiryOf(bytes) }
  } catch (error) {
    return { path: shown, expected: kind.name, found: (error as Error).message.slice(0, 200) }
  }
}

function isHeaders(value: unknown): value is Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  return Object.entries(value).every(
    ([name, text]) => headerNames.has(name) && typeof text === 'string' && text.length < 65_536,
  )
}
