import {
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  defaultCvmReleasePolicy,
  homeRegion,
  releaseSigningUsage,
  sharedAttestationHost,
  type KeyReleaseAnswer,
  type ReleaseCondition,
  type Tee,
} from '@strongroom/contract'
import { parseCertificate, parsePem, spkiSha256, verifyKeyRelease } from '@strongroom/evidence'
import { run, type ServiceError } from '@strongroom/platform'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { releaseClaims } from '../../services/paravisor/src/release/claims.ts'
import { launchOnSilicon } from '../../services/paravisor/src/release/silicon.ts'
import { readFirmware } from '../../services/paravisor/src/firmware/read-firmware.ts'
import { exampleSpec } from '../../services/paravisor/src/testing.ts'
import { unwrapRelease } from '../../services/vault/src/testing/unwrap.ts'
import { startInProcess } from '../system/support/in-process.ts'
import { TestInstallation } from '../system/support/installation.ts'
import { openHouse, SimulatedGuest, type House } from './support/simulated-guest.ts'
import { Tenant, type KeyPlace } from './support/tenant-keys.ts'

const program = resolve(import.meta.dirname, 'attest-guest')
const issuer = `https://${sharedAttestationHost(homeRegion.code)}`
const present = ['/usr/bin/swtpm', '/usr/bin/tpm2_quote', '/usr/bin/curl', '/usr/share/OVMF/OVMF_CODE_4M.fd']
const types = { SNP: 'sevsnpvm', TDX: 'tdxvm' } as const
const spki = (key: KeyObject): Buffer => key.export({ type: 'spki', format: 'der' })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** Key release with real services only: the processors' evidence, the provider, the vault and the HSM. */
describe.skipIf(!present.every((path) => existsSync(path)))(
  'key release on a token of the attestation service',
  { timeout: 180_000 },
  () => {
    let installation: TestInstallation
    let running: RunningInstallation
    let house: House
    let tenant: Tenant
    let places: Record<'vault' | 'managed HSM', KeyPlace>
    let folder: string
    const transferKey = generateKeyPairSync('rsa', { modulusLength: 2048 })

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'strongroom-release-'))
      installation = await TestInstallation.create()
      running = await startInProcess(installation)
      house = await openHouse(running.context)
      tenant = await Tenant.of(running)
      places = { vault: await tenant.vault('releasekv'), 'managed HSM': await tenant.managedHsm('releasepool') }
    }, 180_000)
    afterEach(() => void vi.useRealTimers())
    afterAll(async () => {
      await running?.close()
      await installation?.remove()
      await rm(folder, { recursive: true, force: true })
    })

    const specOf = (tee: Tee) => ({
      ...exampleSpec,
      tee,
      vmId: `5A1E0000-0000-4000-8000-0000000D${tee === 'SNP' ? '00A1' : '00A2'}`,
    })
    const authorityOf = (...allOf: ReleaseCondition[]): object => ({
      version: '1.0.0',
      anyOf: [{ authority: issuer, allOf }],
    })
    /** Only this VM, while it boots. */
    const policyOf = (tee: Tee, vmId = specOf(tee).vmId): object =>
      authorityOf(
        { claim: 'x-ms-attestation-type', equals: types[tee] },
        { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' },
        { claim: 'x-ms-runtime.vm-configuration.vmUniqueId', equals: vmId },
      )

    const claimsFor = (tee: Tee): Uint8Array => {
      const [akSpki, ekSpki] = [spki(other.publicKey), spki(other.publicKey)]
      return releaseClaims({ spec: specOf(tee), transferKey: transferKey.publicKey, vtpm: { akSpki, ekSpki } })
    }

    /** A VM's paravisor: sends the processor's report over its claims to the provider. */
    const attested = async (tee: Tee, o: { claims?: Uint8Array; nonce?: string } = {}): Promise<string> => {
      const spec = specOf(tee)
      const claims = o.claims ?? claimsFor(tee)
      const launched = await launchOnSilicon({ silicon: house.silicon, spec, firmware: await readFirmware(), vCPUs: 2 })
      const { path, body } = await (await launched.report(claims)).request({ withCollateral: false })
      const runtimeData = { data: Buffer.from(claims).toString('base64url'), dataType: 'JSON' }
      const answer = await running.context.wire.request<{ token: string }>({
        method: 'POST',
        url: `${issuer}${path}?api-version=2022-08-01`,
        body: { ...body, runtimeData, ...(o.nonce !== undefined && { nonce: o.nonce }) },
      })
      return answer.body.token
    }
    const release = async (place: KeyPlace, key: string, body: object): Promise<string> =>
      (await tenant.send<KeyReleaseAnswer>(place, 'POST', `/keys/${key}/release`, body)).value
    const refusal = async (work: Promise<unknown>): Promise<[number, string, string]> => {
      const error = await work.then(
        () => undefined,
        (caught: unknown) => caught as ServiceError,
      )
      if (error === undefined) throw new Error('it was released')
      return [error.status, error.details?.[0]?.code ?? error.code, error.details?.[0]?.target ?? error.target ?? '']
    }
    const caPem = (): Promise<string> => readFile(house.authority.caPath, 'utf8')
    /** Verifies an answer like a client that trusts the installation, without the vault's code. */
    const judged = async (jws: string): Promise<Awaited<ReturnType<typeof verifyKeyRelease>>['release']> => {
      const certificate = parseCertificate(parsePem(await caPem())[0]!)
      const roots = [{ name: 'installation', spkiSha256: await spkiSha256(certificate) }]
      const rules = { roots, signer: 'any', usage: releaseSigningUsage }
      return (await verifyKeyRelease({ jws, at: new Date(), ...rules })).release
    }
    const modulusOf = (pkcs8: Uint8Array): string | undefined => {
      const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
      return createPublicKey(key).export({ format: 'jwk' }).n
    }

    const cases = (['vault', 'managed HSM'] as const).flatMap((place) =>
      (['SNP', 'TDX'] as const).map((tee) => [place, tee] as const),
    )
    it.each(cases)(
      'opens a key of a %s to the VM that its policy names, on %s, with each wrapping and its nonce',
      async (name, tee) => {
        const place = places[name]
        const made = await tenant.exportableKey(place, `vm-${tee}`, policyOf(tee))
        const target = await attested(tee, { nonce: 'of-the-token' })
        expect(decodeJwt(target)).toMatchObject({
          iss: issuer,
          nonce: 'of-the-token',
          'x-ms-attestation-type': types[tee],
        })
        for (const enc of ['CKM_RSA_AES_KEY_WRAP', 'RSA_AES_KEY_WRAP_256', 'RSA_AES_KEY_WRAP_384']) {
          const jws = await release(place, `vm-${tee}`, { target, enc, nonce: 'of-the-request' })
          expect(await judged(jws)).toMatchObject({
            keyId: made.key.kid,
            wrappedFor: 'HCLTransferKey',
            wrapping: enc,
            request: { enc, nonce: 'of-the-request' },
          })
          const { secret } = unwrapRelease({ jws, transferKey: transferKey.privateKey, caPem: await caPem() })
          expect(modulusOf(secret)).toBe(made.key.n)
        }
      },
    )

    it('keeps it from every other VM, and says which claim was expected and found (attack S11)', async () => {
      const place = places.vault
      await tenant.exportableKey(place, 'other-vm', policyOf('SNP', '00000000-0000-4000-8000-000000000000'))
      const target = await attested('SNP')
      const denial = await release(place, 'other-vm', { target }).catch((error: unknown) => error as ServiceError)
      expect((denial as ServiceError).details).toMatchObject([
        {
          code: 'KeyReleaseDenied',
          target: 'x-ms-runtime.vm-configuration.vmUniqueId',
          innererror: { found: `"${specOf('SNP').vmId}"` },
        },
      ])
      await tenant.exportableKey(place, 'tdx-only', policyOf('TDX', specOf('SNP').vmId))
      expect(await refusal(release(place, 'tdx-only', { target }))).toEqual([
        403,
        'KeyReleaseDenied',
        'x-ms-attestation-type',
      ])
      await tenant.exportableKey(place, 'elsewhere', defaultCvmReleasePolicy('https://sharedweu.weu.attest.azure.net'))
      expect(await refusal(release(place, 'elsewhere', { target }))).toEqual([403, 'KeyReleaseDenied', 'iss'])
    })

    it('wraps to the first key for encryption inside the evidence, and to nothing that the caller names beside it', async () => {
      const place = places.vault
      const jwkOf = (key: KeyObject, kid: string, use: string): object => ({
        ...key.export({ format: 'jwk' }),
        kid,
        key_ops: [use],
      })
      const claimsOf = (...keys: object[]): Uint8Array => {
        const whole = JSON.parse(new TextDecoder().decode(claimsFor('SNP'))) as object
        return Buffer.from(JSON.stringify({ ...whole, keys }))
      }
      await tenant.exportableKey(place, 'wrapped', policyOf('SNP'))
      const mine = jwkOf(transferKey.publicKey, 'mine', 'encrypt')
      const ordered = await attested('SNP', {
        claims: claimsOf(jwkOf(other.publicKey, 'signs', 'sign'), mine, jwkOf(other.publicKey, 'second', 'encrypt')),
      })
      const attacker = jwkOf(other.publicKey, 'attacker', 'encrypt')
      const beside = { wrapping_key: attacker, key: attacker, 'x-ms-runtime': { keys: [attacker] } }
      expect((await judged(await release(place, 'wrapped', { target: ordered, ...beside }))).wrappedFor).toBe('mine')
      const signing = jwkOf(other.publicKey, 'signs', 'sign')
      for (const keys of [[signing], [signing, { ...mine, kty: 'EC' }], [signing, { ...mine, key_ops: ['verify'] }]]) {
        const target = await attested('SNP', { claims: claimsOf(...keys) })
        expect(await refusal(release(place, 'wrapped', { target }))).toEqual([
          403,
          'KeyReleaseDenied',
          'x-ms-runtime.keys',
        ])
      }
    })

    it('takes no token that is edited, or that names where its own keys are, and asks nobody outside for them', async () => {
      const place = places.vault
      await tenant.exportableKey(place, 'forged', policyOf('SNP'))
      const target = await attested('SNP')
      const [head, body, signature] = target.split('.') as [string, string, string]
      const asked: unknown[] = []
      const listener = createServer((socket) => {
        asked.push(socket.remotePort)
        socket.destroy()
      })
      await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done))
      const { port } = listener.address() as { port: number }
      const ports = new Set<number | undefined>()
      const note = (message: unknown): void => {
        const { socket } = message as { socket: Socket }
        socket.once('connect', () => ports.add(socket.remotePort))
      }
      subscribe('net.client.socket', note)
      const forged = (header: object, claims: object = decodeJwt(target)): string => {
        const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
        return `${input}.${sign('sha256', Buffer.from(input), other.privateKey).toString('base64url')}`
      }
      const { kid } = decodeProtectedHeader(target)
      const address = `http://127.0.0.1:${port}/certs`
      const jwk = other.publicKey.export({ format: 'jwk' })
      const tokens: Record<string, [string, string]> = {
        jku: [forged({ alg: 'RS256', kid: 'mine', jku: address }), 'kid'],
        x5u: [forged({ alg: 'RS256', kid: 'mine', x5u: address }), 'kid'],
        jwk: [forged({ alg: 'RS256', kid, jwk: { ...jwk, kid } }), 'signature'],
        iss: [forged({ alg: 'RS256', kid: 'mine' }, { ...decodeJwt(target), iss: `http://127.0.0.1:${port}` }), 'iss'],
        'other claims': [
          `${head}.${Buffer.from(JSON.stringify({ ...decodeJwt(target), extra: 1 })).toString('base64url')}.${signature}`,
          'signature',
        ],
        'alg none': [`${Buffer.from(JSON.stringify({ alg: 'none', kid })).toString('base64url')}.${body}.`, 'alg'],
        'a changed signature': [
          `${head}.${body}.${(signature.startsWith('A') ? 'B' : 'A') + signature.slice(1)}`,
          'signature',
        ],
      }
      for (const [name, [token, part]] of Object.entries(tokens)) {
        expect([name, ...(await refusal(release(place, 'forged', { target: token })))]).toEqual([
          name,
          403,
          'KeyReleaseDenied',
          part,
        ])
      }
      expect((await release(place, 'forged', { target })).split('.')).toHaveLength(3)
      unsubscribe('net.client.socket', note)
      await new Promise((done) => listener.close(done))
      expect(asked).toEqual([])
      expect([...ports].filter((each) => each !== installation.ports.tls)).toEqual([])
    })

    it('takes no token once its time is over', async () => {
      const place = places.vault
      await tenant.exportableKey(place, 'timely', policyOf('TDX'))
      const target = await attested('TDX')
      const { exp } = decodeJwt(target)
      expect((await release(place, 'timely', { target })).length).toBeGreaterThan(100)
      vi.useFakeTimers({ toFake: ['Date'], now: exp! * 1000 + 61_000 })
      expect(await refusal(release(place, 'timely', { target }))).toEqual([403, 'KeyReleaseDenied', 'exp'])
    })

    it.each(['SNP', 'TDX'] as const)(
      'opens a key to a program in a guest on %s by the token of AzureGuest, through its vTPM',
      async (tee) => {
        const guest = await SimulatedGuest.create(house, { tee, vmId: specOf(tee).vmId })
        try {
          const place = places[tee === 'SNP' ? 'managed HSM' : 'vault']
          const nested = authorityOf(
            { claim: 'x-ms-isolation-tee.x-ms-attestation-type', equals: types[tee] },
            { claim: 'x-ms-isolation-tee.x-ms-compliance-status', equals: 'azure-compliant-cvm' },
            { claim: 'x-ms-azurevm-vmid', equals: guest.spec.vmId },
            { claim: 'secureboot', equals: true },
          )
          const made = await tenant.exportableKey(place, `guest-${tee}`, nested)
          const directory = join(folder, tee)
          const env = {
            ...guest.environment,
            PATH: process.env['PATH'] ?? '',
            https_proxy: `http://127.0.0.1:${installation.ports.local}`,
            CURL_CA_BUNDLE: house.authority.caPath,
          }
          await run({
            command: 'bash',
            args: [program, 'azure-guest', issuer, 'n', directory],
            env,
            timeoutMs: 120_000,
          })
          const target = await readFile(join(directory, 'token'), 'utf8')
          const jws = await release(place, `guest-${tee}`, { target, enc: 'RSA_AES_KEY_WRAP_256' })
          const released = await judged(jws)
          expect(released).toMatchObject({ keyId: made.key.kid, wrappedFor: 'TpmEphemeralEncryptionKey' })
          expect(modulusOf(await openedByTpm(guest, directory, released.ciphertext))).toBe(made.key.n)

          // A policy for the boot refuses a guest's token, and vice versa; the CLI explains why.
          await tenant.exportableKey(place, `boot-${tee}`, policyOf(tee))
          expect((await refusal(release(place, `boot-${tee}`, { target })))[1]).toBe('KeyReleaseDenied')
          expect((await refusal(release(place, `guest-${tee}`, { target: await attested(tee) })))[1]).toBe(
            'KeyReleaseDenied',
          )
          const files = { nested: join(folder, `nested-${tee}.json`), boot: join(folder, `boot-${tee}.json`) }
          await writeFile(files.nested, JSON.stringify(nested))
          await writeFile(files.boot, JSON.stringify(policyOf(tee)))
          const token = join(directory, 'token')
          const explained = await installation.cli('vault', 'policy', 'explain', files.nested, token)
          expect([explained.code, explained.json]).toMatchObject([0, { released: true, issuer }])
          const denied = await installation.cli('vault', 'policy', 'explain', files.boot, token)
          expect([denied.code, denied.json]).toMatchObject([1, { released: false }])
          const linted = await installation.cli('vault', 'policy', 'lint', files.boot)
          expect([linted.code, JSON.stringify(linted.json)]).toEqual([0, expect.stringContaining('FlatClaims')])
        } finally {
          await guest.remove()
        }
      },
    )

    /** RSA-OAEP by the vTPM, under the registers that its key is bound to; AES key wrap with padding outside it. */
    async function openedByTpm(guest: SimulatedGuest, directory: string, ciphertext: Uint8Array): Promise<Buffer> {
      const [session, wrapped, key] = ['release.session', 'release.wrapped', 'release.key'].map((name) =>
        join(directory, name),
      ) as [string, string, string]
      await writeFile(wrapped, ciphertext.subarray(0, 256))
      await guest.tool('tpm2_startauthsession', ['--policy-session', '-S', session])
      try {
        await guest.tool('tpm2_policypcr', ['-Q', '-S', session, '-l', 'sha256:0,1,2,3,4,5,6,7'])
        const args = ['-c', join(directory, 'key.ctx'), '-p', `session:${session}`, '-s', 'oaep', '-o', key, wrapped]
        await guest.tool('tpm2_rsadecrypt', args)
      } finally {
        await guest.tool('tpm2_flushcontext', ['-t'])
        await guest.tool('tpm2_flushcontext', [session])
      }
      const decipher = createDecipheriv('id-aes256-wrap-pad', await readFile(key), Buffer.from('a65959a6', 'hex'))
      return Buffer.concat([decipher.update(ciphertext.subarray(256)), decipher.final()])
    }
  },
)
