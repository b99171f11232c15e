import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { TestInstallation } from './support/installation.ts'
import { openArm } from './support/vm.ts'

const installation = await TestInstallation.create()
let provider: string

beforeAll(async () => {
  await installation.start({}, ['--compute', 'simulated'])
  const arm = await openArm(installation)
  const { subscription } = arm
  await arm.send('PUT', `${subscription}/resourceGroups/attest`, apiVersions.resources, { location: 'westeurope' })
  provider = `${subscription}/resourceGroups/attest/providers/Microsoft.Attestation/attestationProviders/strict`
  await arm.send('PUT', provider, apiVersions.attestation, { location: 'westeurope', properties: {} })
})
afterAll(async () => await installation.remove())

async function setPolicy(rule: string): Promise<void> {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = Buffer.from(`version=1.0;authorizationrules{${rule}};issuancerules{};`).toString('base64url')
  const url = 'https://strict.weu.attest.strongroom.internal/policies/SevSnpVm?api-version=2022-08-01'
  const connection = await connect(installation.stateDir)
  try {
    const token = await connection.ownerToken('https://attest.azure.net')
    const body = `${part({ alg: 'none' })}.${part({ AttestationPolicy: text })}.`
    const answer = await connection.https.request({ method: 'PUT', url, token, body })
    expect(answer.status, answer.text).toBe(200)
  } finally {
    connection.https.close()
  }
}

describe('compute without guests', () => {
  it('starts a VM whose owner named a provider on that provider’s word alone', async () => {
    await setPolicy('=>deny();')
    const refused = await installation.cli('vm', 'create', 'judged', '--attestation-provider', provider)
    expect(refused.code).not.toBe(0)
    expect(refused.stdout).toMatch(/denied|deny/i)
    const started = await installation.cli('vm', 'start', 'judged')
    expect(started.code).not.toBe(0)
    await setPolicy('=>permit();')
    await installation.must('vm', 'start', 'judged')
    await setPolicy('=>deny();')
    expect((await installation.cli('vm', 'restart', 'judged')).code).not.toBe(0)
    // The shared provider's policies differ from this one's.
    await installation.must('vm', 'create', 'ordinary')
  })
})
