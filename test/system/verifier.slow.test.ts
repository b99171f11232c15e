import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  verifiersFile,
  vaultAudience,
  type BootEvidence,
  type ErrorDetail,
  type SnpEvidence,
} from '@strongroom/contract'
import { parsePem } from '@strongroom/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Response } from '../../apps/cli/src/core/connection.ts'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import type { TrustReport } from '../../apps/cli/src/trust/report.ts'
import { TestInstallation } from './support/installation.ts'
import { openArm, readEvidence } from './support/vm.ts'

/**
 * Two installations. The second verifies for the first: its operator accepts the first's silicon at one provider, and
 * the first's operator names that provider. A VM of the first boots on the second's word only.
 */
const [first, second] = [await TestInstallation.create(), await TestInstallation.create()]
const host = 'witness.weu.attest.strongroom.internal'
const issuer = `https://${host}`
const providerPath = (subscription: string, name: string): string =>
  `${subscription}/resourceGroups/attest/providers/Microsoft.Attestation/attestationProviders/${name}`

const startSecond = async (): Promise<void> => await second.start({}, ['--compute', 'simulated'])

async function makeProvider(at: TestInstallation, name: string): Promise<string> {
  const arm = await openArm(at)
  const { subscription } = arm
  await arm.send('PUT', `${subscription}/resourceGroups/attest`, apiVersions.resources, { location: 'westeurope' })
  const id = providerPath(subscription, name)
  await arm.send('PUT', id, apiVersions.attestation, { location: 'westeurope', properties: {} })
  return id
}

const configure = async (): Promise<void> =>
  await writeFile(
    join(first.stateDir, verifiersFile),
    JSON.stringify({
      witness: {
        issuer,
        connect: `127.0.0.1:${second.ports.tls}`,
        authority: join(second.stateDir, 'ca.pem'),
        collateral: true,
      },
    }),
  )

/** Calls anonymously, or as the owner. */
async function call(
  at: TestInstallation,
  o: { method: string; url: string; body?: unknown; audience?: string },
): Promise<Response> {
  const connection = await connect(at.stateDir)
  try {
    const { audience, ...request } = o
    return await connection.https.request({
      ...request,
      ...(audience !== undefined && { token: await connection.ownerToken(audience) }),
    })
  } finally {
    connection.https.close()
  }
}

const ownerToken = async (): Promise<string> => {
  const connection = await connect(first.stateDir)
  return await connection.ownerToken(vaultAudience)
}

const errorOf = ({ json, stderr, stdout }: { json?: unknown; stderr: string; stdout: string }): ErrorDetail =>
  ((json as { error?: ErrorDetail } | undefined) ?? (JSON.parse(stderr || stdout) as { error: ErrorDetail })).error!

const trust = async (name: string): Promise<{ code: number; report: TrustReport; text: string }> => {
  const outcome = await first.cli('vm', 'trust', name)
  return { code: outcome.code, report: outcome.json as TrustReport, text: outcome.stdout }
}

async function setPolicy(rule: string): Promise<void> {
  const text = `version=1.0;authorizationrules{${rule}};issuancerules{};`
  const policy = Buffer.from(text).toString('base64url')
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const body = `${part({ alg: 'none' })}.${part({ AttestationPolicy: policy })}.`
  const url = `${issuer}/policies/SevSnpVm?api-version=2022-08-01`
  const answer = await call(second, { method: 'PUT', url, body, audience: 'https://attest.azure.net' })
  expect(answer.status, answer.text).toBe(200)
}

beforeAll(async () => {
  await first.start()
  await first.stop()
  await startSecond()
  await makeProvider(second, 'witness')
  await second.stop()
  const anchors: unknown = JSON.parse(await readFile(join(first.stateDir, 'anchors.json'), 'utf8'))
  await writeFile(
    join(second.stateDir, 'accepted-silicon.json'),
    JSON.stringify({ first: { providers: [host], anchors } }),
  )
  await startSecond()
  await configure()
  await first.start()
  await first.must('image', 'build')
})

afterAll(async () => {
  await first.remove()
  await second.remove()
})

describe('a VM that names a provider of another origin', () => {
  let evidence: BootEvidence
  const keyName = 'by-witness'

  it('boots on its word, and the trust report says who verified', async () => {
    await first.must('vm', 'create', 'watched', '--attestation-provider', 'witness')
    const { code, report } = await trust('watched')
    expect(report.links.filter((link) => link.outcome !== 'verified')).toEqual([])
    expect(code).toBe(0)
    expect(report.verifier).toMatchObject({
      origin: 'other',
      name: 'witness',
      issuer,
      keys: `${issuer}/certs`,
      key: { id: expect.any(String), thumbprint: expect.stringMatching(/^[\w-]{43}$/) },
    })
    evidence = await readEvidence(first, 'watched')
    expect(evidence.attestation.issuer).toBe(issuer)
    const decisions = await call(second, {
      method: 'GET',
      url: `${issuer}/decisions?api-version=2025-06-01`,
      audience: 'https://attest.azure.net',
    })
    expect((decisions.json as { value: { outcome: string }[] }).value.map(({ outcome }) => outcome)).toEqual([
      'Permitted',
    ])
  })

  it('has keys that a release policy gives out on that word alone: a token of the own provider opens nothing', async () => {
    const arm = await openArm(first)
    const name = `v${first.ports.tls}`
    const vault = `${arm.subscription}/resourceGroups/attest/providers/Microsoft.KeyVault/vaults/${name}`
    await arm.send('PUT', `${arm.subscription}/resourceGroups/attest`, apiVersions.resources, {
      location: 'westeurope',
    })
    const [, payload = ''] = (await ownerToken()).split('.')
    const { oid, tid } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { oid: string; tid: string }
    const permissions = { keys: ['get', 'create', 'release', 'delete'] }
    await arm.send('PUT', vault, '2023-07-01', {
      location: 'westeurope',
      properties: {
        tenantId: tid,
        sku: { family: 'A', name: 'premium' },
        accessPolicies: [{ tenantId: tid, objectId: oid, permissions }],
      },
    })
    const rules = {
      version: '1.0.0',
      anyOf: [{ authority: issuer, allOf: [{ claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }] }],
    }
    const base = `https://${name}.vault.strongroom.internal/keys/${keyName}`
    const keyRequest = (path: string, body: object): Promise<Response> =>
      call(first, { method: 'POST', url: `${base}${path}?api-version=7.4`, body, audience: vaultAudience })
    const made = await keyRequest('/create', {
      kty: 'RSA-HSM',
      key_size: 2048,
      attributes: { exportable: true },
      release_policy: { data: Buffer.from(JSON.stringify(rules)).toString('base64url') },
    })
    expect(made.status, made.text).toBe(200)
    const enc = 'RSA_AES_KEY_WRAP_256'
    const released = await keyRequest('/release', { target: evidence.attestation.token, enc })
    expect(released.status, released.text).toBe(200)

    // The same evidence, judged by this installation's provider: genuine, but not what the policy asks for.
    const { report, vcekChainPem } = evidence.silicon as SnpEvidence
    expect(parsePem(vcekChainPem)).toHaveLength(3)
    const sent = { SnpReport: report, VcekCertChain: Buffer.from(vcekChainPem).toString('base64') }
    const own = await call(first, {
      method: 'POST',
      url: 'https://sharedweu.weu.attest.strongroom.internal/attest/SevSnpVm?api-version=2022-08-01',
      body: {
        report: Buffer.from(JSON.stringify(sent)).toString('base64url'),
        runtimeData: { data: evidence.runtimeClaims, dataType: 'JSON' },
      },
    })
    expect(own.status, own.text).toBe(200)
    const refused = await keyRequest('/release', { target: (own.json as { token: string }).token, enc })
    expect(refused.status).toBe(403)
    expect((refused.json as { error: ErrorDetail }).error).toMatchObject({
      target: 'iss',
      innererror: { expected: expect.stringContaining(issuer), found: expect.stringContaining('sharedweu') },
    })
  })

  it('does not start where that provider’s policy denies it, and says what the policy wanted', async () => {
    await first.must('vm', 'stop', 'watched')
    await setPolicy('[type=="x-ms-sevsnpvm-vmpl", value==3]=>permit();')
    const outcome = await first.cli('vm', 'start', 'watched')
    expect(outcome.code).not.toBe(0)
    const text = JSON.stringify(errorOf(outcome))
    expect(text).toContain('AttestationRefused')
    expect(text).toContain('PolicyEvaluationError')
    expect(text).toContain('x-ms-sevsnpvm-vmpl')
  })

  it('does not start while that provider is down: the own one does not speak in its place', async () => {
    await second.stop()
    const outcome = await first.cli('vm', 'start', 'watched')
    expect(outcome.code).not.toBe(0)
    const text = JSON.stringify(errorOf(outcome))
    expect(text).toContain('AttestationProviderUnreachable')
    expect(text).toContain(issuer)
    const { code, report } = await trust('watched')
    expect(code).toBe(6)
    expect(report.links.find(({ id }) => id === 'token')).toMatchObject({
      outcome: 'not checked',
      why: expect.stringContaining(issuer),
    })
  })

  it('is trusted no more once the provider has other keys: what signed its token is not published', async () => {
    await startSecond()
    const arm = await openArm(second)
    await arm.send('DELETE', providerPath(arm.subscription, 'witness'), apiVersions.attestation)
    await makeProvider(second, 'witness')
    const { code, report } = await trust('watched')
    expect(code).toBe(6)
    expect(report.links.find(({ id }) => id === 'token')).toMatchObject({
      outcome: 'refused',
      expected: expect.any(String),
      actual: expect.any(String),
    })
    // A server without the old keys accepts no token signed with them.
    await first.stop()
    await first.start()
    const url = `https://v${first.ports.tls}.vault.strongroom.internal/keys/${keyName}/release?api-version=7.4`
    const body = { target: evidence.attestation.token }
    const refused = await call(first, { method: 'POST', url, body, audience: vaultAudience })
    expect(refused.status).toBe(403)
    expect((refused.json as { error: ErrorDetail }).error).toMatchObject({ target: 'kid' })
  })

  it('does not start once its operator names that provider no more', async () => {
    await first.stop()
    await rm(join(first.stateDir, verifiersFile))
    await first.start()
    const outcome = await first.cli('vm', 'start', 'watched')
    expect(outcome.code).not.toBe(0)
    expect(JSON.stringify(errorOf(outcome))).toContain(host)
    // Nor does another server under the same name.
    const path = providerPath((await openArm(first)).subscription, 'witness')
    const taken = (await openArm(first)).send('PUT', path, apiVersions.attestation, {
      location: 'westeurope',
      properties: {},
    })
    await expect(taken).rejects.toMatchObject({ code: 'NameNotAvailable' })
    expect((await trust('watched')).code).toBe(6)
    await first.must('vm', 'delete', 'watched', '--yes')
  })
})

describe('a VM that names a provider of its tenant', () => {
  it('boots on its word, on TDX as well, and the trust report says so', async () => {
    const id = await makeProvider(first, 'mine')
    await first.must('vm', 'create', 'own', '--tee', 'tdx', '--attestation-provider', id)
    const { code, report } = await trust('own')
    expect(report.links.filter((link) => link.outcome !== 'verified')).toEqual([])
    expect(code).toBe(0)
    const mine = 'https://mine.weu.attest.strongroom.internal'
    expect(report.verifier).toMatchObject({ origin: 'installation', issuer: mine, keys: `${mine}/certs` })
  })
})
