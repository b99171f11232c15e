import {
  constants,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
} from 'node:crypto'
import { guestStateGenerationTag, type KeyCreateRequest } from '@strongroom/contract'
import type { Store } from '@strongroom/platform'
import { describeStores, openRaw, refuseInserts } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { providerUrl, signedToken } from '../testing/fake-provider.ts'
import {
  createTestVault,
  encodedPolicy,
  keyRequest,
  transferJwk,
  vmId,
  type Answer,
  type TestVault,
} from '../testing/test-vault.ts'
import { loggedIn } from '../testing/logged.ts'
import { unwrapRelease } from '../testing/unwrap.ts'

const started = async (
  open: () => Promise<Store>,
  request: KeyCreateRequest = keyRequest({ kty: 'EC-HSM' }),
): Promise<{ vault: TestVault; store: Store; version: string; created: Answer['body'] }> => {
  const store = await open()
  const vault = await createTestVault(store)
  const created = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', request)
  expect(created.status).toBe(200)
  return { vault, store, version: created.body.key.kid.split('/').at(-1), created: created.body }
}

const release = (
  vault: TestVault,
  version: string,
  claims: Record<string, unknown>,
  more: object = {},
): Promise<Answer> =>
  vault.call('orchestrator', 'POST', `/keys/vm-1/${version}/release`, { target: vault.provider.token(claims), ...more })

describeStores('key release', (open) => {
  it('gives the private half of the created key to whoever holds the transfer key of the evidence', async () => {
    const { vault, version, created } = await started(open, keyRequest({ key_size: 3072 }))
    const { n } = created.key
    for (const enc of ['CKM_RSA_AES_KEY_WRAP', 'RSA_AES_KEY_WRAP_256', 'RSA_AES_KEY_WRAP_384']) {
      const answer = await release(vault, version, vault.claims, { enc, nonce: 'n-1' })
      expect(answer.status).toBe(200)
      const opened = unwrapRelease({
        jws: answer.body.value,
        transferKey: vault.transferKey,
        caPem: vault.authority.caPem,
      })
      const key = createPrivateKey({ key: opened.secret, format: 'der', type: 'pkcs8' })
      expect(createPublicKey(key).export({ format: 'jwk' }).n).toBe(n)
      expect(opened.envelope.header).toEqual({ kid: 'HCLTransferKey', alg: 'dir', enc })
      const kid = `https://platform.vault.strongroom.internal/keys/vm-1/${version}`
      expect(opened.payload.request).toEqual({ 'api-version': '7.4', enc, kid, nonce: 'n-1' })
      expect(opened.payload.response.key.key).toMatchObject({ kid, kty: 'RSA-HSM', n })
      expect(opened.payload.response.key.attributes).toMatchObject({ enabled: true, exportable: true })
      expect(opened.payload.response.key.tags[guestStateGenerationTag]).toBe('0')
    }
    await vault.close()
  })

  it('releases the current version where none is named, and older ones by name', async () => {
    const { vault, version } = await started(open)
    const next = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const target = vault.provider.token(vault.claims)
    const current = await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target })
    const older = await release(vault, version, vault.claims)
    const kidOf = (answer: Answer): string =>
      unwrapRelease({ jws: answer.body.value, transferKey: vault.transferKey, caPem: vault.authority.caPem }).payload
        .response.key.key.kid
    expect(kidOf(current)).toBe(next.body.key.kid)
    expect(kidOf(older)).toContain(version)
    await vault.close()
  })

  it('refuses a token that differs in any claim of the policy, and says claim, expected and found', async () => {
    const { vault, version } = await started(open)
    const otherVm = {
      ...vault.claims,
      'x-ms-runtime': { keys: [transferJwk], 'vm-configuration': { vmUniqueId: 'OTHER' } },
    }
    const answer = await release(vault, version, otherVm)
    expect(answer.status).toBe(403)
    expect(answer.body.error.code).toBe('Forbidden')
    expect(answer.body.error.message).toContain('does not meet key release policy requirements')
    expect(answer.body.error.details).toEqual([
      {
        code: 'KeyReleaseDenied',
        target: 'x-ms-runtime.vm-configuration.vmUniqueId',
        message: expect.stringContaining(providerUrl),
        innererror: { expected: `"${vmId}"`, found: '"OTHER"' },
      },
    ])
    for (const claim of ['x-ms-compliance-status', 'x-ms-attestation-type', 'x-ms-runtime']) {
      const { [claim]: _, ...without } = vault.claims
      const refused = await release(vault, version, without)
      expect(refused.status).toBe(403)
      expect(refused.body.error.innererror.found).toBe('no such claim')
    }
    await vault.close()
  })

  it('refuses tokens that are not the authority’s, asking no other host (attacks K4, K7)', async () => {
    const { vault, version } = await started(open)
    const { provider } = vault
    const own = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const ownJwk = { ...own.publicKey.export({ format: 'jwk' }), kid: 'mine' }
    const seconds = Math.floor(vault.clock.now().getTime() / 1000)
    const claims = { ...vault.claims, iss: providerUrl, iat: seconds, exp: seconds + 100 }
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const publicPem = createPublicKey(provider.signingKey).export({ type: 'spki', format: 'pem' })
    const hmacInput = `${part({ alg: 'HS256', kid: 'provider-1' })}.${part(claims)}`
    const good = provider.token(vault.claims)
    const [header, payload, signature] = good.split('.') as [string, string, string]
    const mine = (more: object): string => signedToken(claims, { alg: 'RS256', kid: 'mine', ...more }, own.privateKey)
    const pssKey = { key: provider.signingKey, padding: constants.RSA_PKCS1_PSS_PADDING }
    const pss = sign('sha256', Buffer.from(`${header}.${payload}`), pssKey)
    const tokens: Record<string, string> = {
      'signed by another key': signedToken(claims, { alg: 'RS256', kid: 'provider-1' }, own.privateKey),
      'with its key in the header': mine({ jwk: ownJwk }),
      'with the address of its keys': mine({ jku: 'https://evil.example/certs' }),
      'with x5u': mine({ x5u: 'https://evil.example/x' }),
      'with an unknown kid': provider.token(vault.claims, { kid: '../provider-1' }),
      'with no kid': provider.token(vault.claims, { kid: undefined }),
      'with a probabilistic signature under RS256': `${header}.${payload}.${pss.toString('base64url')}`,
      'with a signature that is cut': good.slice(0, -4),
      'with a signature that is padded': `${good}AAAA`,
      'by a key of another kind': signedToken(claims, { alg: 'ES256', kid: 'provider-1' }, own.privateKey),
      'with alg none': `${part({ alg: 'none', kid: 'provider-1' })}.${part(claims)}.`,
      'with HS256 under the public key': `${hmacInput}.${createHmac('sha256', publicPem).update(hmacInput).digest('base64url')}`,
      'with RS512 said': provider.token(vault.claims, { alg: 'RS512' }),
      'of another kind': provider.token(vault.claims, { typ: 'eat+jwt' }),
      'with a critical extension': provider.token(vault.claims, { crit: ['b64'], b64: false }),
      'with other claims under the signature': `${header}.${part({ ...claims, more: 1 })}.${signature}`,
      'without signature': `${header}.${payload}.`,
      'of a foreign issuer': provider.token({ ...vault.claims, iss: 'https://evil.example' }),
      'of an issuer below the authority': provider.token({ ...vault.claims, iss: `${providerUrl}/x` }),
      'of an issuer like the authority': provider.token({ ...vault.claims, iss: `${providerUrl}.evil.example` }),
      'without issuer': provider.token({ ...vault.claims, iss: undefined }),
      expired: provider.token({ ...vault.claims, exp: seconds - 61 }),
      'without expiry': provider.token({ ...vault.claims, exp: undefined }),
      'with an expiry as text': provider.token({ ...vault.claims, exp: String(seconds + 100) }),
      'not yet valid': provider.token({ ...vault.claims, nbf: seconds + 120 }),
      'from the future': provider.token({ ...vault.claims, iat: seconds + 120 }),
    }
    for (const [name, target] of Object.entries(tokens)) {
      const answer = await vault.call('orchestrator', 'POST', `/keys/vm-1/${version}/release`, { target })
      expect([name, answer.status, answer.body.error.details?.[0].code]).toEqual([name, 403, 'KeyReleaseDenied'])
    }
    const twice = (text: string): string => Buffer.from(text).toString('base64url')
    const header2 = twice('{"alg":"none","alg":"RS256","kid":"provider-1"}')
    const claims2 = twice(JSON.stringify(claims).replace('{', '{"iss":"https://evil.example",'))
    const doubled = [`${header2}.${part(claims)}`, `${part({ alg: 'RS256', kid: 'provider-1' })}.${claims2}`].map(
      (input) => `${input}.${sign('sha256', Buffer.from(input), provider.signingKey).toString('base64url')}`,
    )
    // Characters whose low byte is a letter of the valid token, spaces, padding and a fourth part.
    const strange = [good.replace('J', '\u014a'), ` ${good}`, `${good}\n`, good.replace('.', '=.'), `${good}.AA`]
    for (const target of [undefined, '', 'a.b', 'a.b.c', 7, {}, 'x'.repeat(200_000), ...doubled, ...strange]) {
      const answer = await vault.call('orchestrator', 'POST', `/keys/vm-1/${version}/release`, { target })
      expect([answer.status, answer.body.error.code]).toEqual([400, 'BadParameter'])
    }
    expect(new Set(provider.asked)).toEqual(new Set([`${providerUrl}/certs`]))
    expect((await release(vault, version, vault.claims)).status).toBe(200)
    await vault.close()
  })

  it('asks no authority outside the installation, even where the policy names it (attack K7)', async () => {
    const policy = {
      anyOf: [
        'https://sharedweu.weu.attest.azure.net',
        'https://evil.example',
        'https://management.strongroom.internal',
      ].map((authority) => ({
        authority,
        allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }],
      })),
    }
    const { vault, version } = await started(
      open,
      keyRequest({ kty: 'EC-HSM', release_policy: { data: encodedPolicy(policy) } }),
    )
    for (const { authority } of policy.anyOf) {
      const answer = await release(vault, version, { ...vault.claims, iss: authority })
      expect(answer.status).toBe(403)
      expect(answer.body.error.innererror.expected).toContain('of this installation')
    }
    expect(vault.provider.asked).toEqual([])
    await vault.close()
  })

  it('wraps only to an RSA encryption key of x-ms-runtime (attacks K2, K8)', async () => {
    const policy = { anyOf: [{ authority: `${providerUrl}/`, allOf: [{ claim: 'ok', equals: true }] }] }
    const { vault, version } = await started(
      open,
      keyRequest({ kty: 'EC-HSM', release_policy: { data: encodedPolicy(policy) } }),
    )
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
    const refusedKeys: Record<string, unknown> = {
      'no runtime': undefined,
      'no keys': { keys: [] },
      'keys that are not a list': { keys: { 0: transferJwk } },
      'a signing key': { keys: [{ ...transferJwk, key_ops: ['sign'] }] },
      'no use': { keys: [{ ...transferJwk, key_ops: undefined }] },
      'an EC key': { keys: [{ ...transferJwk, kty: 'EC' }] },
      'no modulus': { keys: [{ ...transferJwk, n: undefined }] },
      'a modulus of 1024 bits': { keys: [{ ...transferJwk, n: small.n }] },
      'an exponent of one': { keys: [{ ...transferJwk, e: 'AQ' }] },
      'an even modulus': { keys: [{ ...transferJwk, n: Buffer.alloc(256, 0xfe).toString('base64url') }] },
    }
    for (const [name, runtime] of Object.entries(refusedKeys)) {
      const claims = {
        ok: true,
        'x-ms-attestation-type': 'sevsnpvm',
        'x-ms-runtime': runtime,
        'x-ms-isolation-tee': { 'x-ms-runtime': { keys: [transferJwk] } },
      }
      const answer = await release(vault, version, claims)
      expect([name, answer.status, answer.body.error.target]).toEqual([name, 403, 'x-ms-runtime.keys'])
    }
    const second = {
      keys: [
        { ...transferJwk, kid: 'HCLAkPub', key_ops: ['sign'] },
        { ...transferJwk, kid: 'mine', key_ops: undefined, use: 'enc' },
      ],
    }
    const answer = await release(vault, version, {
      ok: true,
      'x-ms-attestation-type': 'sevsnpvm',
      'x-ms-runtime': second,
    })
    const opened = unwrapRelease({
      jws: answer.body.value,
      transferKey: vault.transferKey,
      caPem: vault.authority.caPem,
    })
    expect(opened.envelope.header.kid).toBe('mine')
    await vault.close()
  })

  it('refuses keys that are disabled, not yet valid, expired or not exportable', async () => {
    const { vault, version } = await started(open)
    const patch = (attributes: object): Promise<Answer> =>
      vault.call('controlPlane', 'PATCH', `/keys/vm-1/${version}`, { attributes })
    const seconds = Math.floor(vault.clock.now().getTime() / 1000)
    await patch({ enabled: false })
    expect((await release(vault, version, vault.claims)).body.error.innererror.found).toBe('disabled')
    await patch({ enabled: true, nbf: seconds + 1000, exp: seconds + 2000 })
    expect((await release(vault, version, vault.claims)).status).toBe(403)
    vault.clock.set(new Date((seconds + 1500) * 1000))
    expect((await release(vault, version, vault.claims)).status).toBe(200)
    vault.clock.set(new Date((seconds + 2000) * 1000))
    expect((await release(vault, version, vault.claims)).status).toBe(403)
    await vault.call('controlPlane', 'POST', '/keys/plain/create', { kty: 'EC' })
    const plain = await vault.call('orchestrator', 'POST', '/keys/plain/release', {
      target: vault.provider.token(vault.claims),
    })
    expect(plain.body.error.innererror).toMatchObject({ expected: 'exportable', found: 'not exportable' })
    await vault.close()
  })

  it('does not open a key whose policy was edited in the database', async () => {
    const { vault, store, version } = await started(open)
    const open_ = { anyOf: [{ authority: providerUrl, allOf: [{ claim: 'x-ms-ver', equals: '1.0' }] }] }
    await store.db
      .updateTable('key_version')
      .set({ release_policy: encodedPolicy(open_) })
      .execute()
    const answer = await release(vault, version, { ...vault.claims, 'x-ms-ver': '1.0' })
    expect([answer.status, answer.body.error.code]).toEqual([500, 'KeyMaterialUnreadable'])
    await vault.close()
  })

  it('records each decision with token digest and policy hash, and refuses where it cannot', async () => {
    const { vault, store, version, created } = await started(open)
    const target = vault.provider.token(vault.claims)
    const path = `/keys/vm-1/${version}/release`
    await vault.call('orchestrator', 'POST', path, { target })
    await vault.call('orchestrator', 'POST', path, { target: vault.provider.token({}) })
    const rows = await loggedIn(store)
    const policyHash = createHash('sha256').update(Buffer.from(created.release_policy.data, 'base64url')).digest('hex')
    const tokenDigest = createHash('sha256').update(target).digest('hex')
    expect(rows).toMatchObject([
      { operation: 'create', verdict: 'allowed', appId: 'control-plane', keyVersion: version, policyHash },
      {
        operation: 'release',
        verdict: 'allowed',
        appId: 'orchestrator-app',
        keyVersion: version,
        policyHash,
        tokenDigest,
      },
      { operation: 'release', verdict: 'refused', code: 'Forbidden', policyHash },
    ])
    expect(JSON.stringify(rows)).not.toContain(target)
    await refuseInserts(store, 'log_entry')
    const refused = await vault.call('orchestrator', 'POST', path, { target })
    expect([refused.status, refused.body.error.code, refused.body.value]).toEqual([
      503,
      'OperationLogUnavailable',
      undefined,
    ])
    await vault.close()
  })

  it('refuses unknown wrappings and api-versions that have no release', async () => {
    const { vault, version } = await started(open)
    expect((await release(vault, version, vault.claims, { enc: 'RSA1_5' })).body.error.target).toBe('enc')
    expect((await release(vault, version, vault.claims, { nonce: 7 })).body.error.target).toBe('nonce')
    const old = await vault.call('orchestrator', 'POST', `/keys/vm-1/${version}/release?api-version=7.2`, {})
    expect(old.body.error.target).toBe('api-version')
    await vault.close()
  })
})

describeStores('the generation of a guest state', (open) => {
  const advance = (vault: TestVault, version: string, generation: unknown, claims = vault.claims): Promise<Answer> =>
    vault.call('orchestrator', 'POST', `/keys/vm-1/${version}/guest-state-generation`, {
      target: vault.provider.token(claims),
      generation,
    })

  it('rises and never falls, and travels in the released key (attack V9)', async () => {
    const { vault, version } = await started(open)
    expect((await advance(vault, version, 1)).body).toEqual({ generation: 1 })
    expect((await advance(vault, version, 1)).status).toBe(200)
    expect((await advance(vault, version, 7)).status).toBe(200)
    const old = await advance(vault, version, 6)
    expect([old.status, old.body.error.code]).toEqual([409, 'GuestStateGenerationTooOld'])
    expect(old.body.error.innererror).toMatchObject({ expected: '7 or higher', found: '6' })
    const answer = await release(vault, version, vault.claims)
    const opened = unwrapRelease({
      jws: answer.body.value,
      transferKey: vault.transferKey,
      caPem: vault.authority.caPem,
    })
    expect(opened.payload.response.key.tags[guestStateGenerationTag]).toBe('7')
    await vault.close()
  })

  it('is not what the host writes or puts back in the database (attack H5)', async () => {
    const { vault, version, store } = await started(open)
    const raw = await openRaw(store)
    const put = (generation: number, code: unknown): Promise<unknown> =>
      raw.run('update key_version set guest_state_generation = ?, row_mac = ?', [generation, code as string])
    const codeNow = async (): Promise<unknown> => (await raw.run('select row_mac from key_version'))[0]!['row_mac']
    expect((await advance(vault, version, 1)).status).toBe(200)
    const earlier = await codeNow()
    expect((await advance(vault, version, 7)).status).toBe(200)
    const latest = await codeNow()
    // Edited: any request for the key is refused, and the next write does not adopt the edit.
    await put(1, latest)
    for (const generation of [1, 2, 8])
      expect((await advance(vault, version, generation)).body.error.code).toBe('RowAltered')
    expect((await release(vault, version, vault.claims)).status).toBe(500)
    // Restored with its old code: detected by the next start at the latest.
    await put(1, earlier)
    if (store.engine === 'sqlite')
      expect((await release(vault, version, vault.claims)).body.error.code).toBe('StoreAltered')
    await expect(open({ sameAs: store })).rejects.toMatchObject({
      code: 'StoreAltered',
      target: 'the table key_version',
    })
    await put(7, latest)
    expect((await advance(vault, version, 6)).body.error.code).toBe('GuestStateGenerationTooOld')
    expect((await advance(vault, version, 7)).status).toBe(200)
    await raw.close()
    await vault.close()
  })

  it('is counted only with a token that opens the key', async () => {
    const { vault, version } = await started(open)
    expect((await advance(vault, version, 5, {})).status).toBe(403)
    for (const generation of [-1, 1.5, '2', 2 ** 53, null, undefined]) {
      expect((await advance(vault, version, generation)).status).toBe(400)
    }
    expect((await advance(vault, version, 0)).status).toBe(200)
    await vault.close()
  })

  it('ends at the highest of many that come at once', async () => {
    const { vault, version } = await started(open)
    const answers = await Promise.all(
      [3, 9, 1, 7, 5, 8, 2, 6, 4].map((generation) => advance(vault, version, generation)),
    )
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true)
    expect((await advance(vault, version, 8)).status).toBe(409)
    expect((await advance(vault, version, 9)).status).toBe(200)
    expect((await vault.service.verifyOperationLog()).broken).toBeUndefined()
    await vault.close()
  })
})
