import { createHmac, randomBytes, scrypt, timingSafeEqual } from 'node:crypto'
import { ConcurrencyLimit } from '@strongroom/platform'
import { busy } from '../oauth/oauth-error.ts'

const hashBytes = 32
/** Derivations at a time, and waiting: each costs 16 MiB and some 30 ms, and anyone may cause one. */
const derivations = new ConcurrencyLimit({ atOnce: 2, waiting: 16, refuse: busy })

/**
 * A new secret of some 256 bits in base64url. The first character is a letter or digit: `az login -p -x…` reads a secret that
 * begins with a hyphen as an option.
 */
export function createSecret(): string {
  const secret = randomBytes(32).toString('base64url')
  return /^[A-Za-z0-9]/.test(secret) ? secret : createSecret()
}

/**
 * `sha256$salt$hash`, both in base64url. Secrets are generated here with 256 bits: they cannot be guessed, so a slow
 * hash is unnecessary, which anyone could request without end (attack W5).
 */
export async function hashSecret(secret: string): Promise<string> {
  const salt = randomBytes(16)
  return ['sha256', salt.toString('base64url'), keyed(secret, salt).toString('base64url')].join('$')
}

/** Whether the hash has the earlier format, `scrypt$N$r$p$salt$hash`. */
export const isSlow = (stored: string): boolean => stored.startsWith('scrypt$')

/** False also for a hash in another format. @throws OAuthError 429 if too many old hashes are compared */
export async function matchesSecret(secret: string, stored: string): Promise<boolean> {
  const parts = stored.split('$')
  const [salt, hash] = parts.slice(-2).map((part) => Buffer.from(part, 'base64url'))
  if (salt === undefined || hash?.length !== hashBytes) return false
  if (parts[0] === 'sha256' && parts.length === 3) return timingSafeEqual(keyed(secret, salt), hash)
  if (parts[0] !== 'scrypt' || parts.length !== 6) return false
  const [N, r, p] = parts.slice(1, 4).map(Number)
  return timingSafeEqual(await derivations.run(() => derive(secret, salt, { N: N!, r: r!, p: p! })), hash)
}

const keyed = (secret: string, salt: Buffer): Buffer =>
  createHmac('sha256', salt).update(secret.normalize('NFC')).digest()

function derive(secret: string, salt: Buffer, o: { N: number; r: number; p: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(secret.normalize('NFC'), salt, hashBytes, { ...o, maxmem: 64 * 1024 * 1024 }, (error, key) => {
      if (error) reject(error)
      else resolve(key)
    })
  })
}
