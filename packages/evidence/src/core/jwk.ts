/** One public key of a key set (RFC 7517), as its issuer published it. */
export type Jwk = Readonly<Record<string, unknown>>
