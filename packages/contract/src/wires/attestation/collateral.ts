import { anyText, exactly, list, map, named, object, oneOf, type TypeOf } from '../../shape/index.ts'

/** `installation`: the installation's own silicon. `vendors`: AMD and Intel. */
const source = oneOf('installation', 'vendors')

const collateralSourceStatus = object({
  name: source,
  /** Addresses that are asked; empty if only imported items are used. */
  endpoints: list(anyText),
})
export type CollateralSourceStatus = TypeOf<typeof collateralSourceStatus>

const collateralItemStatus = object({
  source,
  path: anyText,
  /** Its kind, for display. */
  kind: anyText,
  fetchedAt: anyText,
  /** When it expires: nextUpdate, or the certificate's end. */
  expiresAt: anyText,
  /** When it is refetched, if its source is asked. */
  refreshAt: anyText,
  /** `due`: to be refreshed, but still valid. */
  state: oneOf('current', 'due', 'expired'),
})
export type CollateralItemStatus = TypeOf<typeof collateralItemStatus>

export const collateralStatus = named(
  'CollateralStatus',
  object({ sources: list(collateralSourceStatus), items: list(collateralItemStatus) }),
)
export type CollateralStatus = TypeOf<typeof collateralStatus>

const collateralBundleItem = object({
  /** One of `collateralPaths`. */
  path: anyText,
  /** base64 of the body as the vendor serves it. */
  body: anyText,
  /** Response headers with the issuer's chain, names in lower case (`collateralChainHeaders`). */
  headers: map(anyText),
})
export type CollateralBundleItem = TypeOf<typeof collateralBundleItem>

export const collateralBundle = named(
  'CollateralBundle',
  object({
    format: exactly('strongroom-collateral'),
    version: exactly(1),
    exportedAt: anyText,
    items: list(collateralBundleItem),
  }),
)
/** Collateral as a file, for installations that may not call the vendors. */
export type CollateralBundle = TypeOf<typeof collateralBundle>

export const collateralImport = named(
  'CollateralImport',
  object({
    results: list(
      object({
        path: anyText,
        source,
        /** `kept`: the stored one is newer or equal. */
        outcome: oneOf('imported', 'kept'),
        expiresAt: anyText,
      }),
    ),
  }),
)
export type CollateralImport = TypeOf<typeof collateralImport>
