/** What a source answers. */
export interface FetchedCollateral {
  body: Uint8Array
  /** Names in lower case. */
  headers: Record<string, string>
}

/** One answer of a source. */
export interface CollateralItem extends FetchedCollateral {
  expiresAt: Date
  fetchedAt: Date
}
