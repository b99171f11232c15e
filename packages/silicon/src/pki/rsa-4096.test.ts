import { execFileSync } from 'node:child_process'
import { constants, createPrivateKey, createPublicKey, sign, verify } from 'node:crypto'
import { expect, it } from 'vitest'
import { multiPrimeKey } from './rsa-4096.ts'

it('a key of four primes has 4096 bits, and signs like AMD’s', async () => {
  const pkcs8 = await multiPrimeKey()
  // With wrong parts, OpenSSL signs correctly, but without them and so more slowly.
  const check = ['pkey', '-inform', 'DER', '-check', '-noout']
  expect(execFileSync('openssl', check, { input: pkcs8, encoding: 'utf8' })).toContain('Key is valid')
  const privateKey = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  const publicKey = createPublicKey(privateKey)
  expect(publicKey.asymmetricKeyDetails).toEqual({ modulusLength: 4096, publicExponent: 65537n })
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 }
  const data = Buffer.from('report')
  const signature = sign('sha384', data, { key: privateKey, ...padding })
  expect(verify('sha384', data, { key: publicKey, ...padding }, signature)).toBe(true)
  expect(verify('sha384', Buffer.from('other'), { key: publicKey, ...padding }, signature)).toBe(false)
})
