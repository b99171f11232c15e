import { createHash, X509Certificate } from 'node:crypto'
import { keyAttestationUsage, type KeyAttestationStatement, type KeyBundle } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Pkcs11Configuration } from '../keystore/configuration.ts'
import { loggedIn } from '../testing/logged.ts'
import { createSoftHsm, hasSoftHsm, softhsmModule, type SoftHsm } from '../testing/softhsm.ts'
import { b64, refusalOf, startTenant, type Tenant } from '../testing/tenant.ts'
import { keyRequest } from '../testing/test-vault.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rsaAesKeyWrap } from '../keystore/wrap.ts'

let hsm: SoftHsm | undefined
let keystore: Pkcs11Configuration
beforeAll(() => {
  if (!hasSoftHsm) return
  hsm = createSoftHsm()
  hsm.addToken('attested')
  const pinFile = join(hsm.directory, 'pin')
  writeFileSync(pinFile, hsm.pin, { mode: 0o600 })
  keystore = { kind: 'pkcs11', module: softhsmModule, token: 'attested', pinFile, transportKey: 'memory' }
})
afterAll(() => hsm?.remove())

/**
 * Verifies a statement as its recipient does: signed by the leaf, the leaf certified by the installation's authority
 * for this purpose only.
 */
async function statementOf(
  { ok, vault }: Tenant,
  path: string,
): Promise<{ statement: KeyAttestationStatement; bundle: KeyBundle }> {
  const bundle: KeyBundle = await ok('GET', `${path}/attestation`)
  const { certificatePemFile, privateKeyAttestation, version } = bundle.attributes.attestation!
  expect(version).toBe('1.0')
  const pem = Buffer.from(certificatePemFile, 'base64url').toString()
  const leaf = new X509Certificate(pem)
  expect(leaf.verify(new X509Certificate(vault.authority.caPem).publicKey)).toBe(true)
  expect(leaf.keyUsage).toEqual([keyAttestationUsage])
  const jws = Buffer.from(privateKeyAttestation, 'base64url').toString()
  const { payload } = await jwtVerify(jws, leaf.publicKey, { currentDate: vault.clock.now() })
  return { statement: payload as unknown as KeyAttestationStatement, bundle }
}

describeStores('a statement about a key', (open) => {
  it('says of software that it is software, and binds key, policy and exportability', async () => {
    const store = await open()
    const tenant = await startTenant(store)
    const { ok, send } = tenant
    const request = keyRequest({ kty: 'EC-HSM' })
    const made: KeyBundle = await ok('POST', '/keys/k/create', request)
    // As Azure's clients write the path of the newest version.
    const { statement, bundle } = await statementOf(tenant, '/keys/k/')
    expect(bundle.key).toEqual(made.key)
    const data = Buffer.from(request.release_policy!.data, 'base64url')
    expect(statement).toMatchObject({
      statement: 'strongroom-key-attestation',
      key: { kid: made.key.kid, kty: 'EC-HSM', x: made.key.x, y: made.key.y },
      exportable: true,
      releasePolicySha256: createHash('sha256').update(data).digest('hex'),
      keystore: { kind: 'software' },
    })
    const version = made.key.kid.split('/').at(-1)!
    await ok('POST', '/keys/k/create', { kty: 'EC-HSM' })
    expect((await statementOf(tenant, `/keys/k/${version}`)).statement.key.kid).toBe(made.key.kid)
    expect((await ok('GET', '/keys/k')).attributes.attestation).toBeUndefined()
    await ok('POST', '/keys/soft/create', { kty: 'EC' })
    expect(refusalOf(await send('GET', '/keys/soft//attestation'))).toEqual([400, 'BadParameter', 'kty'])
    expect((await send('GET', '/keys/k//attestation', undefined, 'bob')).status).toBe(403)
    expect((await send('GET', '/keys/none//attestation')).status).toBe(404)
    const logged = (await loggedIn(store, 'kv1')).filter(({ operation }) => operation === 'attestKey')
    expect(logged.map(({ keyVersion }) => keyVersion)).toContain(version)
    await tenant.vault.close()
  })

  it.skipIf(!hasSoftHsm)('repeats what the token says of a key: made inside, or brought from elsewhere', async () => {
    const tenant = await startTenant(await open(), { keystore })
    const { ok } = tenant
    await ok('POST', '/keys/made/create', { kty: 'RSA-HSM', key_size: 2048 })
    await ok('POST', '/keys/released/create', keyRequest({ kty: 'EC-HSM' }))
    const exchange: KeyBundle = await ok('POST', '/keys/kek/create', { kty: 'RSA-HSM', key_ops: ['import'] })
    const { kid, n, e } = exchange.key
    const algorithm = 'CKM_RSA_AES_KEY_WRAP'
    const wrapped = rsaAesKeyWrap({ secret: Buffer.alloc(32, 7), wrappingKey: { n: n!, e: e! }, algorithm })
    const blob = { schema_version: '1.0.0', header: { kid, alg: 'dir', enc: algorithm }, ciphertext: b64(wrapped) }
    await ok('PUT', '/keys/brought', { key: { kty: 'oct-HSM', key_hsm: b64(JSON.stringify(blob)) } })
    const objectOf = async (name: string): Promise<unknown> => {
      const { keystore: standing } = (await statementOf(tenant, `/keys/${name}/`)).statement
      if (standing.kind !== 'pkcs11') throw new Error('not in the token')
      expect(standing.token).toMatchObject({ label: 'attested', manufacturer: 'SoftHSM project' })
      // SoftHSM lacks OAEP with SHA-256, and the statement reports what that means for a release.
      expect(standing.releaseWrappings).toMatchObject({ CKM_RSA_AES_KEY_WRAP: 'token', RSA_AES_KEY_WRAP_256: 'memory' })
      return standing.object
    }
    const inside = { sensitive: true, alwaysSensitive: true, local: true, private: true, modifiable: false }
    expect(await objectOf('made')).toEqual({ ...inside, extractable: false, neverExtractable: true })
    expect(await objectOf('released')).toMatchObject({ ...inside, extractable: true, neverExtractable: false })
    expect(await objectOf('kek')).toMatchObject({ ...inside, extractable: false })
    const outside = { sensitive: true, alwaysSensitive: false, neverExtractable: false, local: false }
    expect(await objectOf('brought')).toMatchObject(outside)
    await tenant.vault.close()
  })
})
