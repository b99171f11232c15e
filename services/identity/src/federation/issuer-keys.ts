import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { ConcurrencyLimit, exchange, isPublicAddress, type Clock } from '@strongroom/platform'
import type { JWK } from 'jose'
import { busy } from '../oauth/oauth-error.ts'

const keepMs = 15 * 60_000
/** A missing key may be new: its issuer is asked again, but no more often than this. The same applies after a failure. */
const againMs = 10_000
/** Maximum issuers cached, and asked concurrently. */
const mostKept = 100
const mostAsked = 8
const mostBytes = 256 * 1024

interface Keys {
  keys: JWK[]
}

interface Kept {
  askedAt: number
  /** When the valid keys were read, not the last failed attempt. */
  readAt: number
  keys: Promise<Keys>
}

/**
 * Key sets of other issuers (OpenID Connect Discovery 1.0), read by https. Anyone may name an application's issuer and send what
 * nobody signed, so an issuer is asked once for all who wait, and not again for a while (attack W5).
 * @param o.publicOnly whether issuers are asked at public addresses alone: whoever writes one resource names them then, and this
 *   machine reaches more than he does (attack W26)
 * @returns a reader that rejects with what is wrong with the documents, or OAuthError 429 where too many issuers are being asked
 */
export function issuerKeys(o: {
  clock: Clock
  publicOnly: boolean
  fetchJson?: (url: string) => Promise<unknown>
}): (issuer: string, kid: string | undefined) => Promise<Keys> {
  const fetchJson = o.fetchJson ?? (async (url: string) => await fetchDocument(url, o.publicOnly))
  const kept = new Map<string, Kept>()
  const asked = new ConcurrencyLimit({ atOnce: mostAsked, waiting: 0, refuse: busy })
  const ask = (issuer: string, now: number, before?: Kept): Promise<Keys> => {
    if (asked.isFull) throw busy()
    const keys = asked
      .run(() => readKeys(issuer, fetchJson))
      .catch((error: unknown) => {
        if (before === undefined || now - before.readAt >= keepMs) throw error
        entry.readAt = before.readAt
        return before.keys
      })
    const entry: Kept = { askedAt: now, readAt: now, keys }
    keys.catch(() => {})
    kept.delete(issuer)
    kept.set(issuer, entry)
    const [oldest] = kept.keys()
    if (kept.size > mostKept && oldest !== undefined) kept.delete(oldest)
    return keys
  }
  return async (issuer, kid) => {
    const now = o.clock.now().getTime()
    const entry = kept.get(issuer)
    if (entry === undefined) return await ask(issuer, now)
    if (now - entry.askedAt < againMs) return await entry.keys
    const keys = now - entry.readAt < keepMs ? await entry.keys.catch(() => undefined) : undefined
    const knows = keys?.keys.some((key) => kid === undefined || key.kid === kid) === true
    // Another caller may have asked meanwhile.
    if (knows || kept.get(issuer) !== entry) return await kept.get(issuer)!.keys
    return await ask(issuer, now, entry)
  }
}

async function readKeys(issuer: string, fetchJson: (url: string) => Promise<unknown>): Promise<Keys> {
  const discovery = (await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)) as {
    issuer?: unknown
    jwks_uri?: unknown
  }
  if (discovery.issuer !== issuer) throw new Error('the document belongs to another issuer')
  if (typeof discovery.jwks_uri !== 'string' || !discovery.jwks_uri.startsWith('https://'))
    throw new Error('jwks_uri is not an https URL')
  const keys = (await fetchJson(discovery.jwks_uri)) as { keys?: unknown }
  if (!Array.isArray(keys.keys)) throw new Error('it has no key set')
  return keys as Keys
}

/** The name is resolved once, so that a second answer changes nothing. @throws Error if it leads to no public address */
async function publicTarget({ hostname, port }: URL): Promise<{ host: string; port: number; servername: string }> {
  const [found] = isIP(hostname.replace(/^\[|\]$/g, '')) === 0 ? await lookup(hostname, { all: true }) : []
  if (found === undefined || !isPublicAddress(found.address)) throw new Error('the issuer has no public address')
  return { host: found.address, port: port === '' ? 443 : Number(port), servername: hostname }
}

async function fetchDocument(address: string, publicOnly: boolean): Promise<unknown> {
  const url = new URL(address)
  const headers = { accept: 'application/json', 'user-agent': 'strongroom' }
  const { status, body } = await exchange({
    url,
    headers,
    ...(publicOnly && { via: await publicTarget(url) }),
    patience: { inAll: 10_000 },
    answerLimit: mostBytes,
  })
  if (status !== 200) throw new Error(`status ${status}`)
  return JSON.parse(body.toString('utf8')) as unknown
}
