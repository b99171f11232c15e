import { ServiceError } from '@strongroom/platform'

export interface WrappingKey {
  kid: string
  n: string
  e: string
}

/**
 * The key that a release is wrapped to: the first RSA key for encryption in the token's own `x-ms-runtime.keys`, which
 * the hardware report vouches for. Nothing that the caller sends beside the token can name another. The keys under
 * `x-ms-isolation-tee` belong to the paravisor and are never used.
 * @throws ServiceError 403 where there is none
 */
export function wrappingKeyOf(claims: Record<string, unknown>): WrappingKey {
  const runtime = claims['x-ms-runtime']
  const list = isObject(runtime) && Array.isArray(runtime.keys) ? (runtime.keys as unknown[]) : []
  const jwk = list.filter(isObject).find((entry) => entry.kty === 'RSA' && isForEncryption(entry))
  if (!jwk) throw refused('no such key')
  const { kid, n, e } = jwk
  if (typeof kid !== 'string' || kid.length > 200 || typeof n !== 'string' || typeof e !== 'string') {
    throw refused('an RSA key without kid, n or e')
  }
  const modulus = numberOf(n)
  const exponent = numberOf(e)
  // An even modulus or a tiny exponent would wrap to nobody, or to everybody.
  const bits = modulus?.toString(2).length ?? 0
  if (modulus === undefined || exponent === undefined || bits < 2048 || bits > 16384 || modulus % 2n === 0n) {
    throw refused(`an RSA key of ${bits} bits`)
  }
  if (exponent < 3n || exponent % 2n === 0n || exponent >= 1n << 32n) throw refused('an RSA key with an unfit exponent')
  return { kid, n, e }
}

function isForEncryption(jwk: Record<string, unknown>): boolean {
  if (jwk.use === 'enc' || jwk.key_use === 'enc') return true
  return Array.isArray(jwk.key_ops) && jwk.key_ops.includes('encrypt')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function numberOf(text: string): bigint | undefined {
  if (!/^[A-Za-z0-9_-]{1,4096}$/.test(text)) return undefined
  return BigInt(`0x${Buffer.from(text, 'base64url').toString('hex') || '0'}`)
}

function refused(found: string): ServiceError {
  const expected = 'an RSA key of at least 2048 bits for encryption'
  return new ServiceError({
    code: 'Forbidden',
    status: 403,
    message: 'The attestation token holds no key that the released key could be wrapped to.',
    target: 'x-ms-runtime.keys',
    expected,
    found,
    details: [
      {
        code: 'KeyReleaseDenied',
        message: `x-ms-runtime.keys is expected to have ${expected}, found ${found}.`,
        target: 'x-ms-runtime.keys',
        innererror: { expected, found },
      },
    ],
    remedy: 'Attest with runtime claims that hold the public half of a fresh RSA key with key_ops ["encrypt"].',
  })
}
