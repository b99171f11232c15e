import { collateralBundleFormat, type CollateralBundle, type CollateralBundleItem } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { kindOf, type CollateralKind } from './kinds.ts'

/** An item of a bundle with its bytes. Nothing of it is verified yet. */
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

const itemLimit = 2_000
const headerNames = new Set(['tcb-info-issuer-chain', 'sgx-enclave-identity-issuer-chain', 'sgx-pck-crl-issuer-chain'])

/** @throws ServiceError CollateralRefused with every item that cannot be read */
export function parseBundle(value: unknown): BundledItem[] {
  const bundle = (value ?? {}) as Partial<CollateralBundle>
  if (bundle.format !== collateralBundleFormat || bundle.version !== 1 || !Array.isArray(bundle.items))
    throw refuseBundle([], 'This is no bundle of collateral.', `${collateralBundleFormat}, version 1`)
  if (bundle.items.length > itemLimit) throw refuseBundle([], 'The bundle is too long.', `at most ${itemLimit} items`)
  const read = bundle.items.map((item) => readItem(item))
  const refusals = read.filter((each): each is Refusal => 'found' in each)
  if (refusals.length > 0) throw refuseBundle(refusals)
  const items = read as BundledItem[]
  const twice = items.find((item, index) => items.findIndex(({ path }) => path === item.path) !== index)
  if (twice !== undefined)
    throw refuseBundle([{ path: twice.path, expected: 'each path once', found: 'the same path twice' }])
  return items
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

export function refuseBundle(
  refusals: readonly Refusal[],
  message = 'The bundle was not imported: not all of its items can be trusted.',
  expected?: string,
): ServiceError {
  const first = refusals[0]
  return new ServiceError({
    code: 'CollateralRefused',
    status: 400,
    message,
    ...(first !== undefined && { target: first.path }),
    details: refusals.map(({ path, expected: wanted, found }) => ({
      code: 'CollateralRefused',
      target: path,
      message: `Expected ${wanted}, found ${found}.`,
    })),
    expected: expected ?? first?.expected ?? 'a bundle',
    found: first?.found ?? 'another document',
    remedy: 'Export the bundle anew (strongroom collateral export) where the vendors can be reached.',
  })
}
