import { defaultCvmReleasePolicy } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { lintReleasePolicy, readReleasePolicy } from '@strongroom/release-policy'
import { auditLog, openCheckpoint, parseNoteKey } from '@strongroom/transparency'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { providerUrl } from '../testing/fake-provider.ts'
import { loggedIn } from '../testing/logged.ts'
import { startTenant } from '../testing/tenant.ts'
import { activeHsm } from '../testing/test-hsm.ts'
import { adminGrant, encodedPolicy, keyRequest, transferJwk, vmId } from '../testing/test-vault.ts'

let stateDir: string
beforeAll(() => void (stateDir = mkdtempSync(join(tmpdir(), 'strongroom-attacks-'))))
afterAll(() => rmSync(stateDir, { recursive: true }))

/** The attacks of docs/proof/attacks.md on vaults and their service; those on single keys are in attacks.test.ts. */
describeStores('an attacker of the service', (open) => {
  const policyRequest = (policy: unknown, more: object = {}): object => ({
    ...keyRequest(),
    release_policy: { data: encodedPolicy(policy), ...more },
  })

  it('has no key released for a token that says nothing of hardware, whatever the VM is called (attack K11)', async () => {
    const { vault, ok, send } = await startTenant(await open())
    await ok('POST', '/keys/own/create', keyRequest())
    await ok('POST', '/keys/default/create', policyRequest(defaultCvmReleasePolicy(providerUrl)))
    const trustedLaunch = {
      'x-ms-attestation-type': 'azurevm',
      'x-ms-azurevm-vmid': vmId,
      secureboot: true,
      'x-ms-runtime': { keys: [transferJwk] },
    }
    // The same, with what a guest can put into its own token.
    const claiming = {
      ...trustedLaunch,
      'x-ms-runtime': {
        keys: [transferJwk],
        'client-payload': { 'x-ms-compliance-status': 'azure-compliant-cvm' },
        'x-ms-compliance-status': 'azure-compliant-cvm',
      },
    }
    for (const key of ['own', 'default'])
      for (const claims of [trustedLaunch, claiming]) {
        const answer = await send('POST', `/keys/${key}/release`, { target: vault.provider.token(claims) })
        expect([key, answer.status, answer.body.error.details[0].target]).toEqual([key, 403, 'x-ms-compliance-status'])
      }
    await vault.close()
  })

  it('gets no key for what services of the installation signed for other ends (attack K3)', async () => {
    const { vault, ok, send } = await startTenant(await open())
    await ok('POST', '/keys/k/create', policyRequest(defaultCvmReleasePolicy(providerUrl)))
    const released = await ok('POST', '/keys/k/release', { target: vault.provider.token(vault.claims) })
    const policyResult = vault.provider.token({
      'x-ms-policy-result': 'Updated',
      'x-ms-policy-token-hash': 'AAAA',
      'x-ms-policy': 'x-ms-compliance-status',
    })
    const refusals = []
    for (const target of [released.value as string, policyResult]) {
      const { status, body } = await send('POST', '/keys/k/release', { target })
      refusals.push([status, body.error.details[0].target])
    }
    expect(refusals).toEqual([
      [403, 'iss'],
      [403, 'x-ms-policy-result'],
    ])
    // A policy that requires only the issuer: anything but a token about evidence is refused there too.
    const byIssuer = {
      version: '1.0.0',
      anyOf: [{ authority: providerUrl, allOf: [{ claim: 'iss', equals: providerUrl }] }],
    }
    const made = await ok('POST', '/keys/loose/create', policyRequest(byIssuer))
    const loose = `/keys/loose/${(made.key.kid as string).split('/').at(-1)}`
    const statements = [
      { 'x-ms-policy-result': 'Updated', 'x-ms-policy-token-hash': 'AAAA' },
      { 'x-ms-policy': 'eyJhbGciOiJub25lIn0.e30.', 'x-ms-policy-token-hash': 'AAAA' },
      { 'x-ms-policy-certificates': { keys: [] } },
      { 'x-ms-policycertificates-result': 'IsPresent', 'x-ms-certificate-thumbprint': 'AAAA' },
      { ear_status: 'affirming', submods: {} },
    ]
    const runtime = { keys: [transferJwk] }
    for (const claims of statements) {
      const target = vault.provider.token(claims)
      const withKey = vault.provider.token({ ...claims, 'x-ms-runtime': runtime })
      const [name] = 'ear_status' in claims ? ['x-ms-attestation-type'] : Object.keys(claims)
      for (const [path, body] of [
        [`${loose}/release`, { target }],
        [`${loose}/release`, { target: withKey }],
        [`${loose}/guest-state-generation`, { target, generation: 7 }],
      ] as const) {
        const answer = await send('POST', path, body)
        expect([path, answer.status, answer.body.error.details[0].target]).toEqual([path, 403, name])
      }
    }
    const token = vault.provider.token(vault.claims)
    expect(await ok('POST', `${loose}/guest-state-generation`, { target: token, generation: 1 })).toEqual({
      generation: 1,
    })
    await vault.close()
  })

  it('changes no policy of another tenant’s key, and has none released by a right in a vault of his own (attack P2)', async () => {
    const { vault, ok, send } = await startTenant(await open())
    await vault.putVault('kv2', { grants: [adminGrant('bob')] })
    await ok('POST', '/keys/k/create', policyRequest(defaultCvmReleasePolicy(providerUrl), { immutable: false }))
    const before = await ok('GET', '/keys/k')
    const loose = { version: '1.0.0', anyOf: [{ authority: providerUrl, allOf: [{ claim: 'a', equals: 1 }] }] }
    const release_policy = { data: encodedPolicy(loose) }
    const target = vault.provider.token(vault.claims)
    for (const [method, path, body] of [
      ['PATCH', '/keys/k', { release_policy }],
      ['PATCH', `/keys/k/${(before.key.kid as string).split('/').at(-1)}`, { release_policy }],
      ['POST', '/keys/k/create', { ...keyRequest(), release_policy }],
      ['POST', '/keys/k/release', { target }],
      ['DELETE', '/keys/k', undefined],
    ] as const)
      expect([method, path, (await send(method, path, body, 'bob')).status]).toEqual([method, path, 403])
    expect(await ok('GET', '/keys/k')).toEqual(before)
    // The same name in Bob's vault is another key.
    const kv2 = 'kv2.vault.strongroom.internal'
    const mine = await vault.call('bob', 'POST', '/keys/k/create', { ...keyRequest(), release_policy }, kv2)
    expect([mine.status, mine.body.key.n === before.key.n]).toEqual([200, false])
    await vault.close()
  })

  it('is let in by a policy that every confidential VM meets, which the linter reports; by none that names a VM (attack P6)', async () => {
    const { vault, ok, send } = await startTenant(await open())
    await ok('POST', '/keys/broad/create', policyRequest(defaultCvmReleasePolicy(providerUrl)))
    await ok('POST', '/keys/bound/create', keyRequest())
    const warningsOf = async (key: string): Promise<string[]> => {
      const { release_policy: shown } = await ok('GET', `/keys/${key}`)
      const policy = readReleasePolicy(Buffer.from(shown.data, 'base64url').toString('utf8'))
      return lintReleasePolicy(policy).map(({ code }) => code)
    }
    const stranger = {
      ...vault.claims,
      'x-ms-runtime': { keys: [transferJwk], 'vm-configuration': { vmUniqueId: 'A VM OF ANOTHER TENANT' } },
    }
    const target = vault.provider.token(stranger)
    expect((await send('POST', '/keys/broad/release', { target })).status).toBe(200)
    expect(await warningsOf('broad')).toContain('AnyConfidentialVm')
    expect((await send('POST', '/keys/bound/release', { target })).status).toBe(403)
    expect(await warningsOf('bound')).not.toContain('AnyConfidentialVm')
    await vault.close()
  })

  it('opens nothing sealed that he moved: to the same name and version in another vault, from a key to a secret (attack Q1)', async () => {
    const store = await open()
    const { vault, ok, send } = await startTenant(store)
    await vault.putVault('kv2', { grants: [adminGrant('bob')] })
    await ok('PUT', '/secrets/s', { value: 'of alice' })
    await ok('POST', '/keys/s/create', { kty: 'EC' })
    const kv2 = 'kv2.vault.strongroom.internal'
    await vault.call('bob', 'PUT', '/secrets/s', { value: 'of bob' }, kv2)
    await vault.call('bob', 'POST', '/keys/s/create', { kty: 'EC' }, kv2)
    const rowOf = async (table: string, name: string): Promise<Record<string, unknown>> =>
      (await store.db
        .selectFrom(table)
        .selectAll()
        .where('vault', '=', name)
        .where('name', '=', 's')
        .executeTakeFirstOrThrow()) as Record<string, unknown>
    const asBob = async (): Promise<unknown[]> => {
      const { status, body } = await vault.call('bob', 'GET', '/secrets/s', undefined, kv2)
      return [status, body.error?.code, body.value]
    }
    expect(await asBob()).toEqual([200, undefined, 'of bob'])
    const refused = [500, 'SecretUnreadable', undefined]
    // Alice's secret in Bob's row, which is made equal to hers except for the vault.
    const { version, sealed } = await rowOf('secret_version', 'kv1')
    const into = (values: Record<string, unknown>): Promise<unknown> =>
      store.db.updateTable('secret_version').set(values).where('vault', '=', 'kv2').execute()
    await into({ version, sealed })
    expect(await asBob()).toEqual(refused)
    // Bob's own key in place of his secret of the same name and version.
    const key = await rowOf('key_version', 'kv2')
    await into({ version: key['version'], sealed: key['material'] })
    expect(await asBob()).toEqual(refused)
    // Alice's key in place of Bob's.
    const theirs = await rowOf('key_version', 'kv1')
    await store.db
      .updateTable('key_version')
      .set({ material: theirs['material'], version: theirs['version'], public_jwk: theirs['public_jwk'] })
      .where('vault', '=', 'kv2')
      .execute()
    const digest = Buffer.alloc(32, 1).toString('base64url')
    const signed = await vault.call('bob', 'POST', '/keys/s/sign', { alg: 'ES256', value: digest }, kv2)
    expect([signed.status, signed.body.value]).toEqual([500, undefined])
    expect((await send('GET', '/secrets/s')).body.value).toBe('of alice')
    await vault.close()
  })

  it('puts no other domain key into an HSM that has one: by a second download, an exchange key or an upload (attack Q3)', async () => {
    const hsm = await activeHsm(await open(), stateDir)
    await hsm.owner('POST', '/keys/k/create', { kty: 'oct-HSM', key_size: 256 })
    const rowOf = async (): Promise<unknown> =>
      await hsm.store.db.selectFrom('managed_hsm').select('domain_key').executeTakeFirstOrThrow()
    const before = await rowOf()
    expect(before).toEqual({ domain_key: expect.any(String) })
    expect((await hsm.download(3)).status).toBe(202)
    const exchange = await hsm.owner('GET', '/securitydomain/upload')
    const upload = await hsm.owner('POST', '/securitydomain/upload', { value: '{}' })
    for (const { status, body } of [exchange, upload]) expect([status, body.error.code]).toEqual([409, 'Conflict'])
    expect(await rowOf()).toEqual(before)
    const log = await loggedIn(hsm.store, 'hsm1.managedhsm')
    const tried = log.filter(({ operation }) => operation.startsWith('securitydomain/'))
    expect(tried.map(({ operation, verdict, code }) => [operation, verdict, code])).toEqual([
      ['securitydomain/download', 'allowed', undefined],
      ['securitydomain/download', 'allowed', undefined],
      ['securitydomain/upload', 'refused', 'Conflict'],
    ])
    // The holders of shares, by certificate.
    expect(tried[1]!.subject).toMatch(/^3 of [A-Za-z0-9_-]{43} [A-Za-z0-9_-]{43} [A-Za-z0-9_-]{43}$/)
    expect((await hsm.owner('GET', '/keys/k')).status).toBe(200)
    await hsm.vault.close()
  })

  it('edits, cuts or adds to no operation log that its reader then takes for whole (attack Q10)', async () => {
    const edits: Record<string, (db: Awaited<ReturnType<typeof open>>['db']) => Promise<unknown>> = {
      nothing: () => Promise.resolve(),
      'an entry': (db) =>
        db.updateTable('log_entry').set({ entry: '{"operation":"create"}' }).where('position', '=', 1).execute(),
      'an entry taken out': (db) => db.deleteFrom('log_entry').where('position', '=', 1).execute(),
      'the end taken off': (db) => db.deleteFrom('log_entry').where('position', '>=', 2).execute(),
    }
    for (const [name, edit] of Object.entries(edits)) {
      const store = await open()
      const { vault, ok } = await startTenant(store)
      for (const key of ['a', 'b', 'c', 'd']) await ok('POST', `/keys/${key}/create`, { kty: 'EC' })
      const { app } = vault.service.hosts[0]!
      const host = 'kv1.vault.strongroom.internal'
      const fetch = async (path: string): Promise<Uint8Array> => {
        const headers = { host, authorization: 'Bearer owner' }
        const answer = await app.inject({ url: `/operationlog/${path}`, headers })
        if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${path}: ${answer.body}`)
        return answer.rawPayload
      }
      const text = async (path: string): Promise<string> => Buffer.from(await fetch(path)).toString('utf8')
      const key = parseNoteKey((await text('key')).trimEnd())
      await edit(store.db)
      const audit = (async () => {
        const checkpoint = await openCheckpoint(await text('checkpoint'), key, key.name)
        let count = 0
        await auditLog({ checkpoint, fetch, onEntry: () => void count++ })
        return count
      })()
      const outcome = await audit.then(
        (count) => (count >= 4 ? 'whole' : 'short'),
        () => 'found',
      )
      expect([name, outcome]).toEqual([name, name === 'nothing' ? 'whole' : 'found'])
      await vault.close().catch(() => undefined)
    }
  })
})
