import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { corpusDirectory, hasCorpus } from '../testing/corpus-directory.ts'
import { certificatesOf } from './certified.ts'
import { parseJws } from './jws.ts'
import { genuineVaultAnchors, vaultSigner, verifyKeyRelease } from './release.ts'

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

  it.skipIf(!hasCorpus)('and their signer’s name take a genuine release', async () => {
    const path = 'ThomVanL-blog-2022-12-azure-confidential-computing-secure-key-release/akv-release-response.json'
    const { value: jws } = JSON.parse(readFileSync(join(corpusDirectory, path), 'utf8')) as { value: string }
    const at = certificatesOf(parseJws(jws).header)[0]!.notBefore
    const { root, release } = await verifyKeyRelease({ jws, roots: genuineVaultAnchors, signer: vaultSigner, at })
    expect([root, release.keyType]).toEqual([genuineVaultAnchors[0], 'RSA-HSM'])
  })
})
