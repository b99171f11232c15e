import { execFileSync } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createHolder, prepareUpload } from '../testing/holders.ts'
import { openRestoreBlob, parseHolders, sealSecurityDomain, thumbprintOf, transferKeyText } from './security-domain.ts'
import { joinShares } from '../testing/join-shares.ts'
import { splitSecret } from './shamir.ts'

describe('shares of a secret', () => {
  it('give it back to any quorum, and to nobody who has fewer', () => {
    const cases = fc.tuple(
      fc.uint8Array({ minLength: 1, maxLength: 40 }),
      fc.integer({ min: 2, max: 6 }),
      fc.nat({ max: 4 }),
    )
    fc.assert(
      fc.property(cases, ([secret, required, spare]) => {
        const shares = splitSecret(secret, { shares: required + spare, required })
        expect(joinShares(shares.slice(-required))).toEqual(secret)
        expect(joinShares(shares.toReversed().slice(-required))).toEqual(secret)
      }),
      { numRuns: 50 },
    )
    const secret = randomBytes(32)
    const shares = splitSecret(secret, { shares: 5, required: 3 })
    let guessed = false
    try {
      guessed = Buffer.from(joinShares(shares.slice(0, 2))).equals(secret)
    } catch {
      // Too few shares usually yield no bytes at all.
    }
    expect(guessed).toBe(false)
  })

  it('are refused twice, of other lengths, and where there are none', () => {
    const [one, two] = splitSecret(randomBytes(4), { shares: 3, required: 2 }) as [Uint8Array, Uint8Array]
    for (const wrong of [[one, one], [one, two.subarray(2)], [], [new Uint8Array(3)]]) {
      expect(() => joinShares(wrong)).toThrow(RangeError)
    }
    for (const sharing of [
      { shares: 3, required: 1 },
      { shares: 2, required: 3 },
      { shares: 127, required: 2 },
    ]) {
      expect(() => splitSecret(randomBytes(4), sharing)).toThrow(RangeError)
    }
  })
})

describe('a security domain', () => {
  const holders = ['a', 'b', 'c'].map(createHolder)
  const exchange = createHolder('exchange')
  const transfer = { key: exchange.privateKey, thumbprint: thumbprintOf(new X509Certificate(exchange.pem).raw) }
  const domainKey = randomBytes(32)
  const sealed = (): Promise<string> =>
    sealSecurityDomain({ domainKey, ...parseHolders({ certificates: holders.map(({ jwk }) => jwk), required: 2 }) })

  it('passes to another HSM by a quorum of its holders, for that HSM alone', async () => {
    const domain = await sealed()
    expect(domain).not.toContain(domainKey.toString('base64url').slice(0, 20))
    const transferKey = transferKeyText(exchange.pem)
    for (const quorum of [holders.slice(0, 2), holders.slice(1), [holders[2]!, holders[0]!]]) {
      const upload = await prepareUpload({ domain, holders: quorum, transferKey })
      expect(Buffer.from(await openRestoreBlob(upload, transfer))).toEqual(domainKey)
    }
    const upload = await prepareUpload({ domain, holders, transferKey })
    const other = { ...transfer, thumbprint: thumbprintOf(randomBytes(9)) }
    await expect(openRestoreBlob(upload, other)).rejects.toMatchObject({ target: 'value.WrappedKey.x5t_256' })
    for (const wrong of [
      upload.slice(1),
      upload.replace('"enc_key":"ey', '"enc_key":"fy'),
      '{}',
      'null',
      7,
      undefined,
    ]) {
      await expect(openRestoreBlob(wrong, transfer)).rejects.toMatchObject({ code: 'BadParameter' })
    }
  })

  it('is refused with too few holders, a quorum of one, one holder twice, and certificates that are none', () => {
    const jwks = holders.map(({ jwk }) => jwk)
    const wrong: [unknown, string][] = [
      [{ certificates: jwks.slice(0, 2), required: 2 }, 'certificates'],
      [{ certificates: jwks, required: 1 }, 'required'],
      [{ certificates: jwks, required: 4 }, 'required'],
      [{ certificates: [...jwks.slice(0, 2), jwks[0]], required: 2 }, 'certificates'],
      [{ certificates: [...jwks.slice(0, 2), { x5c: ['AAAA'] }], required: 2 }, 'certificates[2]'],
      [undefined, 'certificates'],
    ]
    for (const [body, target] of wrong) {
      expect(() => parseHolders(body)).toThrow(expect.objectContaining({ code: 'BadParameter', target }))
    }
  })

  /** The stock client judges the format. Needs Debian's azure-cli. */
  it.skipIf(!existsSync('/usr/bin/az'))('is what az restores from', { timeout: 120_000 }, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'strongroom-az-'))
    try {
      const path = (name: string): string => join(directory, name)
      writeFileSync(path('domain.json'), await sealed())
      writeFileSync(path('exchange.pem'), exchange.pem)
      for (const [index, { pem, privateKey }] of holders.entries()) {
        writeFileSync(path(`${index}.cer`), pem)
        writeFileSync(path(`${index}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }))
      }
      const files = ['--sd-file', path('domain.json'), '--sd-exchange-key', path('exchange.pem')]
      const keys = ['--sd-wrapping-keys', path('2.pem'), path('0.pem'), '--sd-file-restore-blob', path('blob.json')]
      execFileSync('az', ['keyvault', 'security-domain', 'restore-blob', ...files, ...keys], {
        stdio: 'pipe',
        env: { ...process.env, AZURE_CONFIG_DIR: path('az'), AZURE_CORE_COLLECT_TELEMETRY: 'false' },
      })
      const opened = await openRestoreBlob(readFileSync(path('blob.json'), 'utf8'), transfer)
      expect(Buffer.from(opened)).toEqual(domainKey)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})
