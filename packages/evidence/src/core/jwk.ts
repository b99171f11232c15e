/** One public key of a key set (RFC 7517), as its issuer published it. */
export type Jwk = Readonly<Record<string, unknown>>

/** DER SubjectPublicKeyInfo of a key's public members; undefined if it is not a valid key. */
export async function spkiOfJwk(jwk: JsonWebKey): Promise<Uint8Array | undefined> {
  const { kty, crv = '', x, y, n, e } = jwk
  const [algorithm, members] =
    kty === 'RSA'
      ? [
          { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
          { kty, n, e },
        ]
      : [
          { name: 'ECDSA', namedCurve: crv },
          { kty, crv, x, y },
        ]
  try {
    const imported = await crypto.subtle.importKey('jwk', members as JsonWebKey, algorithm, true, ['verify'])
    return new Uint8Array(await crypto.subtle.exportKey('spki', imported))
  } catch {
    return undefined
  }
}
