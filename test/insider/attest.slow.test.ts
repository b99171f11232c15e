import { randomBytes, X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  homeRegion,
  identityAudience,
  sharedAttestationHost,
  vaultAudience,
  type ManagedIdentity,
} from '@strongroom/contract'
import { parseHclReport } from '@strongroom/evidence'
import { ProgramError, run, type ServiceError } from '@strongroom/platform'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { startInProcess } from '../system/support/in-process.ts'
import { TestInstallation } from '../system/support/installation.ts'
import { evidenceFiles, sealToGuest } from '../system/support/own-verifier.ts'
import { readSealedReply } from './support/sealed-reply.ts'
import { openHouse, SimulatedGuest, type House } from './support/simulated-guest.ts'

const program = resolve(import.meta.dirname, 'attest-guest')
const issuer = `https://${sharedAttestationHost(homeRegion.code)}`
const present = ['/usr/bin/swtpm', '/usr/bin/tpm2_quote', '/usr/bin/curl', '/usr/share/OVMF/OVMF_CODE_4M.fd']
const vmIds = { snp: '5A1E0000-0000-4000-8000-00000000A001', tdx: '5A1E0000-0000-4000-8000-00000000A002' }

/**
 * A guest's own programs against the real installation: services, processors, vTPMs, metadata endpoints, swtpm,
 * tpm2-tools and curl. test/system boots the same programs in a VM.
 */
describe.skipIf(!present.every((path) => existsSync(path)))(
  'attestation from inside, with bash, curl and tpm2-tools',
  { timeout: 120_000 },
  () => {
    let installation: TestInstallation
    let running: RunningInstallation
    let house: House
    let snp: SimulatedGuest
    let tdx: SimulatedGuest
    let folder: string

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'B-insider-'))
      installation = await TestInstallation.create()
      running = await startInProcess(installation)
      house = await openHouse(running.context)
      snp = await SimulatedGuest.create(house, { vmId: vmIds.snp, tee: 'SNP' })
      tdx = await SimulatedGuest.create(house, { vmId: vmIds.tdx, tee: 'TDX' })
    })

    afterAll(async () => {
      for (const guest of [snp, tdx]) await guest?.remove()
      await running?.close()
      await installation?.remove()
      await rm(folder, { recursive: true, force: true })
    })

    const attest = async (guest: SimulatedGuest, mode: string, nonce: string, name = nonce): Promise<string> => {
      const directory = join(folder, name)
      const env = {
        ...guest.environment,
        PATH: process.env['PATH'] ?? '',
        https_proxy: `http://127.0.0.1:${installation.ports.local}`,
        CURL_CA_BUNDLE: house.authority.caPath,
      }
      await run({ command: 'bash', args: [program, mode, issuer, nonce, directory], env, timeoutMs: 120_000 })
      return directory
    }
    const verify = async (token: string): Promise<JWTPayload> => {
      const { body } = await running.context.wire.request<JSONWebKeySet>({ method: 'GET', url: `${issuer}/certs` })
      return (await jwtVerify(token, createLocalJWKSet(body), { issuer })).payload
    }
    const tokenIn = (directory: string): Promise<string> => readFile(join(directory, 'token'), 'utf8')

    it.each([
      ['SNP', 'sevsnpvm'],
      ['TDX', 'tdxvm'],
    ] as const)(
      'gets a token through AzureGuest on %s, which it opens with its vTPM, with the hardware’s claims in it',
      async (tee, type) => {
        const guest = tee === 'SNP' ? snp : tdx
        const directory = await attest(guest, 'azure-guest', `guest-${tee}`)
        const token = await tokenIn(directory)
        expect(await readSealedReply(directory)).toBe(token)
        const claims = await verify(token)
        expect(claims).toMatchObject({
          'x-ms-attestation-type': 'azurevm',
          'x-ms-azurevm-vmid': guest.spec.vmId,
          'x-ms-azurevm-ostype': 'Linux',
          'x-ms-azurevm-attested-pcrs': [0, 1, 2, 3, 4, 5, 6, 7],
          secureboot: true,
          'x-ms-isolation-tee': {
            'x-ms-attestation-type': type,
            'x-ms-compliance-status': 'azure-compliant-cvm',
            'x-ms-runtime': { 'vm-configuration': { vmUniqueId: guest.spec.vmId, 'secure-boot': true } },
          },
          'x-ms-runtime': {
            'client-payload': { nonce: Buffer.from(`guest-${tee}`).toString('base64') },
            keys: [{ kid: 'TpmEphemeralEncryptionKey' }],
          },
          'x-strongroom-simulated': true,
        })
      },
    )

    it.each([
      ['SNP', 'sevsnpvm'],
      ['TDX', 'tdxvm'],
    ] as const)('gets a flat token by the direct call on %s, with its nonce', async (tee, type) => {
      const guest = tee === 'SNP' ? snp : tdx
      const directory = await attest(guest, 'direct', `direct-${tee}`)
      expect(await verify(await tokenIn(directory))).toMatchObject({
        nonce: `direct-${tee}`,
        'x-ms-attestation-type': type,
        'x-ms-compliance-status': 'azure-compliant-cvm',
        'x-ms-runtime': { 'vm-configuration': { vmUniqueId: guest.spec.vmId } },
      })
    })

    it('cannot open a reply once a register has changed, nor after a restart', async () => {
      const directory = await attest(snp, 'azure-guest', 'once')
      const decrypt = async (): Promise<void> => {
        const session = join(directory, 'again.session')
        await snp.tool('tpm2_startauthsession', ['--policy-session', '-S', session])
        try {
          await snp.tool('tpm2_policypcr', ['-Q', '-S', session, '-l', 'sha256:0,1,2,3,4,5,6,7'])
          const key = ['-c', join(directory, 'key.ctx'), '-p', `session:${session}`, '-s', 'rsaes']
          await snp.tool('tpm2_rsadecrypt', [...key, '-o', join(directory, 'again'), join(directory, 'inner.sealed')])
        } finally {
          await snp.tool('tpm2_flushcontext', ['-t'])
          await snp.tool('tpm2_flushcontext', [session])
        }
      }
      await decrypt()
      expect(await readFile(join(directory, 'again'))).toEqual(await readFile(join(directory, 'inner.key')))
      await snp.tool('tpm2_pcrextend', [`5:sha256=${'ab'.repeat(32)}`])
      await expect(decrypt()).rejects.toBeInstanceOf(ProgramError)
      await snp.powerOff()
      await snp.boot()
      await expect(decrypt()).rejects.toBeInstanceOf(ProgramError)
    })

    it('is refused with the same statements again, and with those of a boot that is over', async () => {
      const send = async (directory: string): Promise<string> => {
        const body = await readFile(join(directory, 'request.json'), 'utf8')
        const url = `${issuer}/attest/AzureGuest?api-version=2020-10-01`
        const headers = { 'content-type': 'application/json' }
        return await running.context.wire.request<unknown>({ method: 'POST', url, body, headers }).then(
          () => 'accepted',
          (error: unknown) => (error as ServiceError).details?.[0]?.code ?? 'another error',
        )
      }
      const before = await attest(tdx, 'azure-guest', 'before')
      expect(await send(before)).toBe('StatementReplayed')
      await tdx.powerOff()
      await tdx.boot()
      await attest(tdx, 'azure-guest', 'after')
      expect(await send(before)).toBe('StatementBeforeRestart')
    })

    it.each([
      ['SNP', 'SevSnpVm'],
      ['TDX', 'TdxVm'],
    ] as const)(
      'has the hardware report data of its own on %s: a verifier’s nonce, in what the silicon signs',
      async (tee, type) => {
        const guest = tee === 'SNP' ? snp : tdx
        const nonce = randomBytes(32)
        const reportOf = async (userData: string): Promise<{ report: string; error: string }> =>
          await guest.metadata('/metadata/strongroom/hcl-report', { userData })
        const { hardwareReport, claims } = parseHclReport(
          Buffer.from((await reportOf(nonce.toString('base64url'))).report, 'base64url'),
        )
        const post = async (runtime: Uint8Array): Promise<JWTPayload> => {
          const runtimeData = { data: Buffer.from(runtime).toString('base64url'), dataType: 'JSON' }
          let evidence: Record<string, string>
          if (tee === 'SNP') {
            const certified = await guest.metadata<Record<string, string>>('/metadata/THIM/amd/certification')
            const chain = Buffer.from(`${certified['vcekCert']}${certified['certificateChain']}`).toString('base64url')
            const proof = { SnpReport: Buffer.from(hardwareReport).toString('base64url'), VcekCertChain: chain }
            evidence = { report: Buffer.from(JSON.stringify(proof)).toString('base64url') }
          } else {
            const report = Buffer.from(hardwareReport.subarray(0, 1024)).toString('base64url')
            evidence = { quote: (await guest.metadata<{ quote: string }>('/acc/tdquote', { report })).quote }
          }
          const url = `${issuer}/attest/${type}?api-version=2022-08-01`
          const { body } = await running.context.wire.request<{ token: string }>({
            method: 'POST',
            url,
            body: { ...evidence, runtimeData },
          })
          return await verify(body.token)
        }
        const padded = Buffer.concat([nonce, Buffer.alloc(32)])
        expect(await post(claims)).toMatchObject({
          'x-ms-compliance-status': 'azure-compliant-cvm',
          'x-ms-runtime': { 'user-data': padded.toString('hex').toUpperCase(), keys: [{ kid: 'HCLAkPub' }] },
        })
        // Another nonce under the same report: the silicon did not sign it.
        const other = padded.with(0, nonce[0]! ^ 1)
        const forged = Buffer.from(claims)
          .toString()
          .replace(padded.toString('hex').toUpperCase(), Buffer.from(other).toString('hex').toUpperCase())
        await expect(post(Buffer.from(forged))).rejects.toMatchObject({ code: 'InvalidParameter' })
        // Too long for the hardware's claims, empty, in another alphabet, or in two spellings.
        for (const userData of [Buffer.alloc(65).toString('base64url'), '', 'AA==', 'AB'])
          expect((await reportOf(userData)).error, userData).toContain('The body has no user data')
      },
    )

    it('attests with a certificate that it has renewed and written to its vTPM, as Azure’s client does', async () => {
      const index = '0x01C101D0'
      const present = await tdx.tool('tpm2_nvread', ['-C', 'o', index])
      const pem = `-----BEGIN CERTIFICATE-----\n${present.toString('base64')}\n-----END CERTIFICATE-----`
      const query = `api-version=2023-07-01&vmId=${vmIds.tdx.toLowerCase()}&requestId=5a1e`
      const url = `http://169.254.169.254/metadata/THIM/tvm/certificate/renew?${query}`
      const socket = tdx.environment['METADATA_SOCKET']!
      const post = ['--header', 'Metadata: true', '--data-binary', encodeURIComponent(pem), url]
      const answer = await run({ command: 'curl', args: ['--silent', '--unix-socket', socket, ...post] })
      const { AkCertPem: renewed } = JSON.parse(answer.stdout.toString()) as { AkCertPem: string }
      const der = new X509Certificate(renewed).raw
      const file = join(folder, 'renewed.der')
      await writeFile(file, der)
      await tdx.tool('tpm2_nvundefine', ['-C', 'o', index])
      const attributes = 'ownerread|ownerwrite|authread|authwrite'
      await tdx.tool('tpm2_nvdefine', ['-C', 'o', index, '-s', String(der.length), '-a', attributes])
      await tdx.tool('tpm2_nvwrite', ['-C', 'o', index, '-i', file])
      const directory = await attest(tdx, 'azure-guest', 'renewed')
      expect(await verify(await tokenIn(directory))).toMatchObject({ 'x-ms-azurevm-vmid': vmIds.tdx })
    })

    it('gets a token of its managed identity, which the services know as its own', async () => {
      const { context } = running
      const url = `${identityAudience}/${context.installation.tenantId}/managedIdentities`
      const token = await context.tokens.token('controlPlane', identityAudience)
      const { resourceId } = snp.spec
      const made = await context.wire.request<ManagedIdentity>({ method: 'PUT', url, token, body: { resourceId } })
      const ask = `http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=${vaultAudience}`
      const socket = snp.environment['METADATA_SOCKET']!
      const args = ['--silent', '--unix-socket', socket, '--header', 'Metadata: true', ask]
      const answer = JSON.parse((await run({ command: 'curl', args })).stdout.toString()) as { access_token: string }
      const caller = await context.verifier.verify(answer.access_token, [vaultAudience])
      expect(caller.objectId).toBe(made.body.principalId)
    })

    it('shows its owner’s verifier, who asks nobody, evidence with the verifier’s nonce, and opens what that seals to it', async () => {
      const nonce = 'own-verifier'
      const directory = await attest(tdx, 'evidence', nonce)
      const files = Object.fromEntries(
        await Promise.all(evidenceFiles.map(async (name) => [name, await readFile(join(directory, name))] as const)),
      )
      const { pckCrl, rootCaCrl, ...texts } = await house.silicon.intel.collateral()
      const [pck, root] = [pckCrl, rootCaCrl].map((bytes) => Buffer.from(bytes).toString('base64url'))
      const collateral = { ...texts, pckCrl: pck!, rootCaCrl: root! }
      const anchors = house.silicon.anchors
      const asked = { files, anchors, collateral, secret: Buffer.from('of its owner'), at: new Date() }
      await expect(sealToGuest({ ...asked, nonce: 'another' })).rejects.toMatchObject({ code: 'NonceMismatch' })
      const { sealed, verified } = await sealToGuest({ ...asked, nonce })
      expect(verified.claims.configuration['vmUniqueId']).toBe(tdx.spec.vmId)
      await writeFile(join(directory, 'sealed'), sealed)
      await attest(tdx, 'open', nonce)
      expect(await readFile(join(directory, 'secret'), 'utf8')).toBe('of its owner')
    })

    it('is refused with a register that its log does not explain, and the reason reaches the guest', async () => {
      await tdx.tool('tpm2_pcrextend', [`4:sha256=${'cd'.repeat(32)}`])
      const refused = await attest(tdx, 'azure-guest', 'changed').catch((error: unknown) => error as ProgramError)
      expect((refused as ProgramError).stderr).toContain('InvalidParameter')
      expect((refused as ProgramError).stderr).toMatch(/log/i)
    })

    it('does not pass for a confidential VM without its HCL report', async () => {
      await snp.tool('tpm2_nvundefine', ['-C', 'p', '0x01400001'])
      const refused = await attest(snp, 'azure-guest', 'no-report').catch((error: unknown) => error as ProgramError)
      expect((refused as ProgramError).code).not.toBe(0)
    })
  },
)
