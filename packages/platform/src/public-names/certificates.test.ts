import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { issueLeaf } from '../authority/issue.ts'
import { certificateNameOf, issuePublicNamesAuthority, publicNamesDays } from './certificates.ts'

const dayMs = 24 * 3600_000
const now = new Date('2026-11-01T12:00:00Z')
const until = new Date(now.getTime() + publicNamesDays * dayMs)
const authority = issuePublicNamesAuthority({ now, until })
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))
const folder = mkdtempSync(join(tmpdir(), 'strongroom-public-names-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** OpenSSL's verdict on a certificate signed by the authority's key, with any content. */
function verdict(names: { dnsNames?: string[]; ipAddresses?: string[] }, at: Date, hostname?: string): string {
  const leaf = issueLeaf({
    ...authority,
    now,
    subject: 'CN=x',
    publicKey: spki,
    usages: ['serverAuth'],
    days: 400,
    ...names,
  })
  const [ca, file] = [join(folder, 'ca.pem'), join(folder, 'leaf.pem')]
  writeFileSync(ca, authority.caPem)
  writeFileSync(file, leaf)
  const args = [
    'verify',
    '-x509_strict',
    '-purpose',
    'sslserver',
    '-attime',
    String(at.getTime() / 1000),
    '-CAfile',
    ca,
    '-no-CApath',
    ...(hostname === undefined ? [] : ['-verify_hostname', hostname]),
    file,
  ]
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    return (error as { stderr: string }).stderr
  }
}

describe('the authority for public names', () => {
  it.each(['management.azure.com', 'login.microsoftonline.com', 'graph.microsoft.com', 'kv1.vault.azure.net'])(
    'vouches for %s',
    (host) => {
      const name = certificateNameOf(host)!
      expect(verdict({ dnsNames: [name] }, now, host)).toContain('OK')
    },
  )

  it.each([
    'example.org',
    'portal.azure.com',
    'azure.com',
    '*.azure.com',
    '*.azure.net',
    'evil.microsoft.com',
    'queue.core.windows.net',
    'strongroom.internal',
    'localhost',
    'login.microsoftonline.com.evil.example',
    'management.azure.comx',
  ])('cannot vouch for %s, whoever has its key', (name) => {
    expect(verdict({ dnsNames: [name] }, now)).toContain('permitted subtree violation')
    expect(verdict({ dnsNames: ['management.azure.com', name] }, now)).toContain('permitted subtree violation')
  })

  it('cannot vouch for an address', () => {
    expect(verdict({ ipAddresses: ['127.0.0.1'] }, now)).toContain('excluded subtree violation')
    expect(verdict({ ipAddresses: ['20.1.2.3'] }, now)).toContain('excluded subtree violation')
  })

  it('has wildcards that reach one label and no further', () => {
    expect(verdict({ dnsNames: ['*.vault.azure.net'] }, now, 'a.b.vault.azure.net')).toContain('hostname mismatch')
    expect(certificateNameOf('a.b.vault.azure.net')).toBeUndefined()
    expect(certificateNameOf('vault.azure.net')).toBeUndefined()
  })

  it('ends after 30 days, and its certificates with it', () => {
    const last = new Date(until.getTime() - 1000)
    expect(verdict({ dnsNames: ['management.azure.com'] }, last)).toContain('OK')
    expect(verdict({ dnsNames: ['management.azure.com'] }, new Date(until.getTime() + 1000))).toContain('has expired')
  })
})
