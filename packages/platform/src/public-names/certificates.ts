import { generateKeyPairSync } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { issueLeaf, issueNarrowAuthority, type IssuedAuthority } from '../authority/issue.ts'
import { ownHostOf, publicNames } from './names.ts'

/** Validity of an authority for public names. */
export const publicNamesDays = 30

/** The certificate name that covers a host, for example `*.vault.azure.net`. */
export function certificateNameOf(host: string): string | undefined {
  const name = host.toLowerCase()
  if (ownHostOf(name) === undefined) return undefined
  return publicNames.includes(name) ? name : `*.${name.slice(name.indexOf('.') + 1)}`
}

/** An authority that can vouch only for servers under `publicNames`, until `until`. */
export const issuePublicNamesAuthority = (o: { now: Date; until: Date }): IssuedAuthority =>
  issueNarrowAuthority({
    subject: 'CN=Strongroom public names of Azure in one shell, O=Strongroom',
    dnsNames: publicNames.map((name) => name.replace(/^\*\./, '')),
    now: o.now,
    notAfter: o.until,
  })

/** TLS contexts of an authority's servers, each created on first use; undefined for other names. */
export function createPublicLeaves(
  authority: IssuedAuthority,
  now: () => Date,
): (host: string) => SecureContext | undefined {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const spki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))
  const made = new Map<string, SecureContext>()
  return (host) => {
    const name = certificateNameOf(host)
    if (name === undefined) return undefined
    const kept = made.get(name)
    if (kept !== undefined) return kept
    const leaf = issueLeaf({
      ...authority,
      subject: 'CN=Strongroom',
      publicKey: spki,
      usages: ['serverAuth'],
      days: publicNamesDays,
      dnsNames: [name],
      now: now(),
    })
    const context = createSecureContext({ key, cert: leaf + authority.caPem, minVersion: 'TLSv1.2' })
    made.set(name, context)
    return context
  }
}
