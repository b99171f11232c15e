import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createSealer, type Store } from '@strongroom/platform'
import { describeStores, openRaw } from '@strongroom/platform/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { rsaAesKeyWrap } from './keystore/wrap.ts'
import { canaryOf, foundIn, type Canary } from './testing/canaries.ts'
import { adminGrant, createTestVault, keyRequest, type Answer } from './testing/test-vault.ts'
import { unwrapRelease } from './testing/unwrap.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'strongroom-canary-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

/** Everything that the store keeps: SQLite's files, including its log, and the rows of either engine as text. */
async function contentOf(store: Store): Promise<Buffer> {
  const parts: Buffer[] = []
  const raw = await openRaw(store)
  const tables = await raw.run(
    store.engine === 'sqlite'
      ? `select name from sqlite_master where type = 'table'`
      : 'select tablename as name from pg_tables where schemaname = current_schema()',
  )
  for (const { name } of tables) {
    const rows = await raw.run(`select * from "${String(name)}"`)
    parts.push(Buffer.from(JSON.stringify(rows)))
  }
  await raw.close()
  if (store.engine === 'sqlite') {
    const folder = store.url.slice('sqlite:'.length)
    for (const file of readdirSync(folder)) {
      if (file.startsWith(`${store.service}.db`)) parts.push(readFileSync(join(folder, file)))
    }
  }
  return Buffer.concat(parts)
}

describeStores('secrets of the vault', (open) => {
  it('stand neither in its database, nor in its log, nor in the text of an error (attack Q5)', async () => {
    const store = await open()
    const masterKey = randomBytes(32)
    const logFile = join(directory, `${store.engine}.log`)
    const logger = createLogger({ level: 'trace', file: logFile })
    const vault = await createTestVault(store, { sealer: createSealer(masterKey), logger })
    const canaries: Canary[] = [canaryOf('master key', masterKey)]
    const errors: Answer[] = []
    await vault.putVault('kv1', { grants: [adminGrant('owner')] })
    const host = 'kv1.vault.strongroom.internal'
    const asOwner = async (method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown): Promise<Answer> => {
      const answer = await vault.call('owner', method, path, body, host)
      if (answer.status >= 400) errors.push(answer)
      return answer
    }

    // A released key: only the recipient knows its halves.
    await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest())
    const target = vault.provider.token(vault.claims)
    const released = await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target })
    const { secret } = unwrapRelease({
      jws: released.body.value,
      transferKey: vault.transferKey,
      caPem: vault.authority.caPem,
    })
    const jwk = createPrivateKey({ key: secret, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' })
    for (const part of ['d', 'p', 'q'] as const) {
      canaries.push(canaryOf(`released key ${part}`, Buffer.from(jwk[part]!, 'base64url').subarray(0, 48)))
    }
    canaries.push(canaryOf('attestation token', Buffer.from(target.split('.')[2]!).subarray(0, 60)))
    errors.push(await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target: `${target}x` }))
    errors.push(await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target: vault.provider.token({}) }))

    // A secret, accepted and refused.
    const value = randomBytes(40).toString('base64url')
    canaries.push(canaryOf('secret value', Buffer.from(value)))
    expect((await asOwner('PUT', '/secrets/s', { value })).status).toBe(200)
    await asOwner('PUT', '/secrets/s', { value, attributes: { exp: 'never' } })
    await asOwner('PUT', '/secrets/bad_name', { value })

    // An imported key, accepted and refused.
    const imported = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
    canaries.push(canaryOf('imported key d', Buffer.from(imported.d!, 'base64url').subarray(0, 48)))
    expect((await asOwner('PUT', '/keys/i', { key: { ...imported, kty: 'RSA' } })).status).toBe(200)
    await asOwner('PUT', '/keys/i', { key: { ...imported, kty: 'RSA', n: 'AQAB' } })
    await asOwner('PUT', '/keys/i', { key: { ...imported, kty: 'RSA', key_ops: 'all' } })

    // A key wrapped by another HSM, accepted and refused, and a statement about it.
    const kek = (await asOwner('POST', '/keys/kek/create', { kty: 'RSA-HSM', key_ops: ['import'] })).body.key
    const brought = randomBytes(32)
    canaries.push(canaryOf('brought key', brought))
    const algorithm = 'CKM_RSA_AES_KEY_WRAP'
    const wrapped = rsaAesKeyWrap({ secret: brought, wrappingKey: kek, algorithm })
    const header = { kid: kek.kid, alg: 'dir', enc: algorithm }
    const blob = { schema_version: '1.0.0', header, ciphertext: Buffer.from(wrapped).toString('base64url') }
    const key_hsm = Buffer.from(JSON.stringify(blob)).toString('base64url')
    expect((await asOwner('PUT', '/keys/b', { key: { kty: 'oct-HSM', key_hsm } })).status).toBe(200)
    await asOwner('PUT', '/keys/b', { key: { kty: 'EC-HSM', key_hsm } })
    expect((await asOwner('GET', '/keys/b/attestation')).status).toBe(200)

    // A successful and a failed decryption.
    const plain = randomBytes(32)
    canaries.push(canaryOf('decrypted value', plain))
    const made = await asOwner('POST', '/keys/k/create', { kty: 'RSA', key_size: 2048 })
    const version: string = made.body.key.kid.split('/').at(-1)
    const body = { alg: 'RSA-OAEP', value: plain.toString('base64url') }
    const encrypted = await asOwner('POST', `/keys/k/${version}/encrypt`, body)
    const decrypted = await asOwner('POST', `/keys/k/${version}/decrypt`, { ...body, value: encrypted.body.value })
    expect(decrypted.body.value).toBe(plain.toString('base64url'))
    await asOwner('POST', `/keys/k/${version}/decrypt`, body)

    expect(errors.length).toBeGreaterThanOrEqual(6)
    expect(errors.filter(({ status }) => status < 400)).toEqual([])
    const content = await contentOf(store)
    const log = readFileSync(logFile)
    // Checks the search itself: public values are found in each place.
    expect(
      foundIn(content, [canaryOf('name', Buffer.from('platform.vault.strongroom.internal/operationlog'))]),
    ).toEqual(['name'])
    expect(foundIn(content, [canaryOf('n', Buffer.from(jwk.n!.slice(0, 80)))])).toEqual(['n'])
    expect(foundIn(log, [canaryOf('path', Buffer.from('/keys/vm-1/release'))])).toEqual(['path'])
    expect(foundIn(content, canaries)).toEqual([])
    expect(foundIn(log, canaries)).toEqual([])
    expect(foundIn(Buffer.from(JSON.stringify(errors)), canaries)).toEqual([])
    await vault.close()
  })
})
