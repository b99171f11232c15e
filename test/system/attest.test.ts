import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { homeRegion, sharedAttestationHost, vaultAudience } from '@strongroom/contract'
import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { openSealedReply } from '../insider/support/sealed-reply.ts'
import { TestInstallation } from './support/installation.ts'
import { openArm, type VmView } from './support/vm.ts'

/**
 * Confidential VMs that attest themselves from inside: a program of bash, curl and tpm2-tools alone, through /dev/tpmrm0 and
 * 169.254.169.254, with nothing in it that knows Strongroom. One VM a technology, shared by its tests in this order.
 */
const installation = await TestInstallation.create()
const issuer = `https://${sharedAttestationHost(homeRegion.code)}`

beforeAll(async () => {
  await installation.start()
  await installation.must('image', 'build')
})

afterAll(async () => await installation.remove())

async function verify(token: string): Promise<JWTPayload> {
  const { fetchKeySet } = await connect(installation.stateDir)
  const keys = createLocalJWKSet((await fetchKeySet(issuer)) as JSONWebKeySet)
  return (await jwtVerify(token, keys, { issuer })).payload
}

/** Runs a script as root in the guest. */
async function asRoot(vm: string, script: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const encoded = Buffer.from(script).toString('base64')
  return await installation.inGuest(vm, `base64 -d <<<${encoded} | sudo bash -s`)
}

describe.each([
  ['snp', 'sevsnpvm'],
  ['tdx', 'tdxvm'],
] as const)('a guest on %s', (tee, type) => {
  const name = `self-${tee}`
  let vm: VmView
  const mine = (nonce: string): string => `/run/attest/${nonce}`
  const attest = (mode: string, nonce: string, environment = ''): Promise<{ code: number; stderr: string }> =>
    asRoot(name, `${environment} bash /run/attest-guest ${mode} ${issuer} ${nonce} ${mine(nonce)}`)
  const read = async (path: string): Promise<Buffer> => {
    const { stdout } = await asRoot(name, `base64 -w0 ${path}`)
    return Buffer.from(stdout, 'base64')
  }

  beforeAll(async () => {
    vm = await installation.must<VmView>('vm', 'create', name, '--tee', tee)
    const program = await readFile(resolve(import.meta.dirname, '../insider/attest-guest'), 'base64')
    await asRoot(name, `base64 -d >/run/attest-guest <<<${program}`)
  })

  afterAll(async () => void (await installation.cli('vm', 'delete', name, '--yes')))

  it('gets a token through AzureGuest that its own vTPM opens, with the hardware’s claims in it', async () => {
    const outcome = await attest('azure-guest', 'first')
    expect(outcome.code, outcome.stderr).toBe(0)
    const token = (await read(`${mine('first')}/token`)).toString()
    const reply = (await read(`${mine('first')}/reply.json`)).toString()
    expect(openSealedReply(reply, await read(`${mine('first')}/inner.key`))).toBe(token)
    expect((await installation.cli('vm', 'trust', name)).code, 'the trust report').toBe(0)
    expect(await verify(token)).toMatchObject({
      'x-ms-attestation-type': 'azurevm',
      'x-ms-azurevm-vmid': vm.properties.vmId.toUpperCase(),
      'x-ms-azurevm-osdistro': 'Debian GNU/Linux',
      'x-ms-azurevm-osversion-major': 13,
      'x-ms-azurevm-attested-pcrs': [0, 1, 2, 3, 4, 5, 6, 7],
      secureboot: true,
      'x-ms-isolation-tee': {
        'x-ms-attestation-type': type,
        'x-ms-compliance-status': 'azure-compliant-cvm',
        'x-ms-runtime': { 'vm-configuration': { vmUniqueId: vm.properties.vmId.toUpperCase(), 'secure-boot': true } },
      },
      'x-ms-runtime': { 'client-payload': { nonce: Buffer.from('first').toString('base64') } },
      'x-strongroom-simulated': true,
    })
  })

  it('gets a flat token by the direct call, with its nonce', async () => {
    const outcome = await attest('direct', 'direct')
    expect(outcome.code, outcome.stderr).toBe(0)
    expect(await verify((await read(`${mine('direct')}/token`)).toString())).toMatchObject({
      nonce: 'direct',
      'x-ms-attestation-type': type,
      'x-ms-compliance-status': 'azure-compliant-cvm',
    })
  })

  it('reads what Azure’s endpoint shows of it, and a token of its identity once it has one', async () => {
    const endpoint = "curl -sS --noproxy '*' -H Metadata:true http://169.254.169.254/metadata"
    const location = await installation.inGuest(
      name,
      `${endpoint}'/instance/compute/vmId?api-version=2021-02-01&format=text'`,
    )
    expect(location.stdout.trim()).toBe(vm.properties.vmId.toLowerCase())
    const ask = `${endpoint}'/identity/oauth2/token?api-version=2018-02-01&resource=${vaultAudience}'`
    expect(JSON.parse((await installation.inGuest(name, ask)).stdout)).toEqual({
      error: 'invalid_request',
      error_description: 'Identity not found',
    })
    const arm = await openArm(installation)
    const changed = await arm.send('PATCH', vm.id, apiVersions.compute, { identity: { type: 'SystemAssigned' } })
    const { principalId } = (changed.json as { identity: { principalId: string } }).identity
    const token = JSON.parse((await installation.inGuest(name, ask)).stdout) as { access_token: string }
    expect(decodeJwt(token.access_token)).toMatchObject({ oid: principalId, aud: vaultAudience })
    const document = await installation.inGuest(
      name,
      `${endpoint}'/attested/document?api-version=2021-02-01&nonce=42' | sed 's/.*"signature":"\\([^"]*\\)".*/\\1/' | base64 -d | openssl cms -verify -inform DER -CAfile /etc/ssl/certs/ca-certificates.crt 2>/dev/null`,
    )
    expect(JSON.parse(document.stdout)).toMatchObject({ nonce: '42', vmId: vm.properties.vmId.toLowerCase() })
  })

  it('is refused with the same request again, an edited log, and a register that its log does not explain', async () => {
    const again = await asRoot(
      name,
      `set -a; . /etc/environment; cd ${mine('first')}; curl -sS -H 'Content-Type: application/json' --data-binary @request.json '${issuer}/attest/AzureGuest?api-version=2020-10-01'`,
    )
    expect(again.stdout).toContain('StatementReplayed')
    const edited = await attest(
      'azure-guest',
      'edited',
      'sed "s/Boot0/Boot1/" /sys/kernel/security/tpm0/binary_bios_measurements >/run/edited; printf X | dd of=/run/edited bs=1 seek=600 conv=notrunc status=none; TCG_LOG=/run/edited',
    )
    expect([edited.code === 0, edited.stderr]).toEqual([false, expect.stringContaining('InvalidParameter')])
    await asRoot(name, `TPM2TOOLS_TCTI=device:/dev/tpmrm0 tpm2_pcrextend 5:sha256=${'ab'.repeat(32)}`)
    const swapped = await attest('azure-guest', 'swapped')
    expect([swapped.code === 0, swapped.stderr]).toEqual([false, expect.stringContaining('InvalidParameter')])
  })
})
