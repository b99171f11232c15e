import { createHash, X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { genuineVaultAnchors } from './release.ts'

describe('the roots of genuine vaults', () => {
  it('are those that clients of the web trust under that name', () => {
    const known = rootCertificates.map((pem) => new X509Certificate(pem))
    expect(genuineVaultAnchors).toHaveLength(1)
    for (const { name, spkiSha256 } of genuineVaultAnchors) {
      const named = known.filter(({ subject }) => subject.split('\n').includes(`CN=${name}`))
      const keys = named.map(({ publicKey }) => publicKey.export({ format: 'der', type: 'spki' }))
      expect(keys.map((spki) => createHash('sha256').update(spki).digest('hex'))).toEqual([spkiSha256])
    }
  })
})
