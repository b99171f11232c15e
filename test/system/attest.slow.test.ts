import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { homeRegion, sharedAttestationHost, vaultAudience, type ErrorBody } from '@strongroom/contract'
import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { connect } from '../../apps/cli/src/client/connection.ts'
import { openSealedReply } from '../insider/support/sealed-reply.ts'
import { TestInstallation } from './support/installation.ts'
import { strangerInformation } from './support/stranger.ts'
import { openArm, type VmView } from './support/vm.ts'

/**
 * Confidential VMs that attest themselves from inside: a program of bash, curl and tpm2-tools only, through /dev/tpmrm0
 * and
 * 169.254.169.254, that knows nothing about Strongroom. One VM per technology, shared by its tests in this order; `-t
 * snp` and `-t tdx` run one of them.
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

/** `attestationInfo` as the guest's program composes it. */
interface Information {
  ClientPayload: Record<string, string>
  TcgLogs: string
  TpmInfo: { PcrQuote: string; PcrSignature: string; PCRs: { Index: number; Digest: string }[] }
  IsolationInfo: object
}

interface Refusal {
  code: string
  check: string | undefined
  target: string | undefined
  expected: string | undefined
  remedy: string | undefined
}

/** Sends it as anyone who got hold of it could. @returns undefined if it was accepted */
async function send(information: Information): Promise<Refusal | undefined> {
  const { https } = await connect(installation.stateDir)
  const attestationInfo = Buffer.from(JSON.stringify(information)).toString('base64url')
  const url = `${issuer}/attest/AzureGuest?api-version=2020-10-01`
  const { status, json } = await https.request({ method: 'POST', url, body: { attestationInfo } })
  https.close()
  if (status === 200) return undefined
  const { code, target, details, innererror } = (json as ErrorBody).error
  const { expected, remedy } = innererror ?? {}
  return { code, check: details?.[0]?.code, target, expected, remedy }
}

/** Runs a script as root in the guest. */
async function asRoot(vm: string, script: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const encoded = Buffer.from(script).toString('base64')
  return await installation.inGuest(vm, `base64 -d <<<${encoded} | sudo bash -s`)
}

async function readIn(vm: string, path: string): Promise<Buffer> {
  const { stdout } = await asRoot(vm, `base64 -w0 ${path}`)
  return Buffer.from(stdout, 'base64')
}

/** Puts the program into a guest, whose /run is empty after each boot. */
async function provide(vm: string): Promise<void> {
  const program = await readFile(resolve(import.meta.dirname, '../insider/attest-guest'), 'base64')
  await asRoot(vm, `base64 -d >/run/attest-guest <<<${program}`)
}

/** A complete request that was never sent, because its provider was not there. */
async function unsentOf(vm: string): Promise<Information> {
  const folder = '/run/attest/unsent'
  const { code } = await asRoot(vm, `bash /run/attest-guest azure-guest https://127.0.0.1:1 unsent ${folder}`)
  expect(code).not.toBe(0)
  return JSON.parse((await readIn(vm, `${folder}/information.json`)).toString()) as Information
}

describe.each([
  ['snp', 'sevsnpvm'],
  ['tdx', 'tdxvm'],
] as const)('a guest on %s', (tee, type) => {
  const name = `self-${tee}`
  let vm: VmView
  let before: Information
  const mine = (nonce: string): string => `/run/attest/${nonce}`
  const attest = (mode: string, nonce: string, environment = ''): Promise<{ code: number; stderr: string }> =>
    asRoot(name, `${environment} bash /run/attest-guest ${mode} ${issuer} ${nonce} ${mine(nonce)}`)
  const read = async (path: string): Promise<Buffer> => await readIn(name, path)
  const informationOf = async (nonce: string): Promise<Information> =>
    JSON.parse((await read(`${mine(nonce)}/information.json`)).toString()) as Information
  const vmId = (): string => vm.properties.vmId

  beforeAll(async () => {
    vm = await installation.must<VmView>('vm', 'create', name, '--tee', tee)
    await provide(name)
    before = await unsentOf(name)
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
      'x-ms-azurevm-vmid': vmId().toUpperCase(),
      'x-ms-azurevm-osdistro': 'Debian GNU/Linux',
      'x-ms-azurevm-osversion-major': 13,
      'x-ms-azurevm-attested-pcrs': [0, 1, 2, 3, 4, 5, 6, 7],
      secureboot: true,
      'x-ms-isolation-tee': {
        'x-ms-attestation-type': type,
        'x-ms-compliance-status': 'azure-compliant-cvm',
        'x-ms-runtime': { 'vm-configuration': { vmUniqueId: vmId().toUpperCase(), 'secure-boot': true } },
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
    expect(location.stdout.trim()).toBe(vmId().toLowerCase())
    const ask = `${endpoint}'/identity/oauth2/token?api-version=2018-02-01&resource=${vaultAudience}'`
    expect(JSON.parse((await installation.inGuest(name, ask)).stdout)).toEqual({
      error: 'invalid_request',
      error_description: 'Identity not found',
    })
    const arm = await openArm(installation)
    const changed = await arm.send('PATCH', vm.id, apiVersions.compute, {
      identity: { type: 'SystemAssigned' },
    })
    const { principalId } = (changed.json as { identity: { principalId: string } }).identity
    const token = JSON.parse((await installation.inGuest(name, ask)).stdout) as { access_token: string }
    expect(decodeJwt(token.access_token)).toMatchObject({ oid: principalId, aud: vaultAudience })
    const document = await installation.inGuest(
      name,
      `${endpoint}'/attested/document?api-version=2021-02-01&nonce=42' | sed ` +
        '\'s/.*"signature":"\\([^"]*\\)".*/\\1/\' | base64 -d | openssl cms -verify -inform DER -CAfile ' +
        '/etc/ssl/certs/ca-certificates.crt 2>/dev/null',
    )
    expect(JSON.parse(document.stdout)).toMatchObject({ nonce: '42', vmId: vmId().toLowerCase() })
  })

  it('is refused with the same statements again, whatever stands beside them, and with registers that were never quoted', async () => {
    const first = await informationOf('first')
    expect(await send(first)).toMatchObject({ check: 'StatementReplayed' })
    const anotherNonce = { ClientPayload: { nonce: Buffer.from('another').toString('base64') } }
    expect(await send({ ...first, ...anotherNonce })).toMatchObject({ check: 'StatementReplayed' })
    const registers = structuredClone(first.TpmInfo.PCRs)
    ;[registers[4]!.Digest, registers[7]!.Digest] = [registers[7]!.Digest, registers[4]!.Digest]
    const swapped = { ...first, TpmInfo: { ...first.TpmInfo, PCRs: registers } }
    expect(await send(swapped)).toMatchObject({ check: 'PcrDigestMismatch', target: 'TpmInfo.PcrQuote' })
  })

  it('is refused with a log that was edited, wherever its digest covers what was', async () => {
    const edited = await attest(
      'azure-guest',
      'edited',
      'sed "s/Boot0/Boot1/" /sys/kernel/security/tpm0/binary_bios_measurements >/run/edited; printf X | dd ' +
        'of=/run/edited bs=1 seek=600 conv=notrunc status=none; TCG_LOG=/run/edited',
    )
    expect([edited.code === 0, edited.stderr]).toEqual([false, expect.stringContaining('InvalidParameter')])
    expect(edited.stderr).toContain('TcgLogs')
  })

  it('is refused with a quote of the SHA-1 bank, and with one over another nonce than it shows', async () => {
    const quote = (selection: string, more = ''): Promise<{ code: number; stderr: string }> =>
      asRoot(
        name,
        `cd ${mine('first')} && TPM2TOOLS_TCTI=device:/dev/tpmrm0 tpm2_quote -Q -c 0x81000003 -l ${selection} -g ` +
          `sha256 -m other.bin -s other.sig -f plain ${more}`,
      )
    const withQuote = async (nonce?: string): Promise<Information> => {
      const first = await informationOf('first')
      const [message, signature] = [await read(`${mine('first')}/other.bin`), await read(`${mine('first')}/other.sig`)]
      const PcrQuote = message.toString('base64')
      const PcrSignature = signature.toString('base64')
      const ClientPayload = nonce === undefined ? first.ClientPayload : { nonce: Buffer.from(nonce).toString('base64') }
      return { ...first, ClientPayload, TpmInfo: { ...first.TpmInfo, PcrQuote, PcrSignature } }
    }
    const sha1 = await quote('sha1:0,1,2,3,4,5,6,7')
    expect(sha1.code, sha1.stderr).toBe(0)
    expect(await send(await withQuote())).toMatchObject({
      code: 'InvalidParameter',
      check: 'PcrSelectionMismatch',
      expected: expect.stringContaining('sha256'),
    })
    const signed = await quote('sha256:0,1,2,3,4,5,6,7', `-q ${Buffer.from('signed').toString('hex')}`)
    expect(signed.code, signed.stderr).toBe(0)
    expect(await send(await withQuote('shown'))).toMatchObject({ check: 'NonceMismatch' })
    expect(await send(await withQuote('signed')), 'the nonce that was signed').toBeUndefined()
  })

  it('is refused with the attestation key of another VM, on its own hardware’s report', async () => {
    const own = await informationOf('first')
    const other = await strangerInformation<Information>(installation, tee === 'snp' ? 'SNP' : 'TDX')
    // The hardware of each with the other’s key: the report binds a different key from the one that quotes.
    for (const mixed of [
      { ...own, IsolationInfo: other.IsolationInfo },
      { ...own, TpmInfo: other.TpmInfo, TcgLogs: other.TcgLogs },
    ])
      expect(await send(mixed)).toMatchObject({ code: 'InvalidParameter', check: 'BindingMismatch' })
  })

  it('is refused with a register that its log does not explain', async () => {
    await asRoot(name, `TPM2TOOLS_TCTI=device:/dev/tpmrm0 tpm2_pcrextend 5:sha256=${'ab'.repeat(32)}`)
    const changed = await attest('azure-guest', 'changed')
    expect([changed.code === 0, changed.stderr]).toEqual([false, expect.stringContaining('InvalidParameter')])
  })

  it('is refused with a statement from before a restart, once it has shown a newer one', async () => {
    await installation.must('vm', 'restart', name)
    await provide(name)
    const after = await attest('azure-guest', 'after')
    expect(after.code, after.stderr).toBe(0)
    expect(await send(before)).toMatchObject({ check: 'StatementBeforeRestart', remedy: expect.stringMatching(/\w/) })
  })
})
