import { existsSync } from 'node:fs'
import { copyFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { homeRegion, identityAudience, sharedAttestationHost, type ManagedIdentity } from '@strongroom/contract'
import { ProgramError, run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { rewriteLuks2 } from '../../apps/cli/src/drill/payload/luks2.ts'
import type { RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { startInProcess } from '../system/support/in-process.ts'
import { TestInstallation } from '../system/support/installation.ts'
import { openHouse, SimulatedGuest, type House } from './support/simulated-guest.ts'
import { Tenant } from './support/tenant-keys.ts'

const issuer = `https://${sharedAttestationHost(homeRegion.code)}`
const present = ['/usr/bin/swtpm', '/usr/bin/tpm2_quote', '/usr/sbin/cryptsetup', '/usr/share/OVMF/OVMF_CODE_4M.fd']
const vmIds = ['5A1E0000-0000-4000-8000-0000000D15A1', '5A1E0000-0000-4000-8000-0000000D15A2'] as const

/**
 * docs/guides/examples/data-disk as in a guest, against the installation's own provider, vault and vTPMs. A file replaces the
 * disk: a booted VM tests the device mapper (test/system/data-disks.long.test.ts).
 */
describe.skipIf(!present.every((path) => existsSync(path)))(
  'docs/guides/examples/data-disk',
  { timeout: 120_000 },
  () => {
    let installation: TestInstallation
    let running: RunningInstallation
    let house: House
    let folder: string
    let key: string
    let guests: SimulatedGuest[]

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'strongroom-data-disk-'))
      installation = await TestInstallation.create()
      running = await startInProcess(installation)
      house = await openHouse(running.context)
      const tenant = await Tenant.of(running)
      const place = await tenant.vault('databox')
      const policy = {
        version: '1.0.0',
        anyOf: [
          {
            authority: issuer,
            allOf: [
              { claim: 'x-ms-isolation-tee.x-ms-compliance-status', equals: 'azure-compliant-cvm' },
              { claim: 'x-ms-azurevm-vmid', equals: vmIds[0] },
            ],
          },
        ],
      }
      key = (await tenant.exportableKey(place, 'data', policy)).key.kid!.split('/').slice(0, 5).join('/')
      guests = []
      for (const vmId of vmIds) {
        const guest = await SimulatedGuest.create(house, { vmId, tee: 'SNP' })
        guests.push(guest)
        const { wire, tokens } = running.context
        const token = await tokens.token('controlPlane', identityAudience)
        const { body } = await wire.request<ManagedIdentity>({
          method: 'PUT',
          url: `${identityAudience}/${running.context.installation.tenantId}/managedIdentities`,
          token,
          body: { resourceId: guest.spec.resourceId },
        })
        if (guest === guests[0]) await tenant.letRelease('databox', body.principalId)
      }
      for (const program of ['attest-guest', '../../docs/guides/examples/data-disk'])
        await copyFile(resolve(import.meta.dirname, program), join(folder, program.split('/').at(-1)!))
    })

    afterAll(async () => {
      for (const guest of guests ?? []) await guest.remove()
      await running?.close()
      await installation?.remove()
      await rm(folder, { recursive: true, force: true })
    })

    const inGuest = async (guest: SimulatedGuest, ...args: string[]): Promise<void> => {
      const env = {
        ...guest.environment,
        PATH: `${process.env['PATH'] ?? ''}:/usr/sbin`,
        https_proxy: `http://127.0.0.1:${installation.ports.local}`,
        CURL_CA_BUNDLE: house.authority.caPath,
        DATA_DISKS: join(folder, 'table'),
        RUNTIME: folder,
      }
      await run({ command: 'bash', args: [join(folder, 'data-disk'), ...args], env, timeoutMs: 120_000 })
    }
    const disk = async (name: string): Promise<string> => {
      const path = join(folder, name)
      await writeFile(path, '')
      await truncate(path, 32 * 2 ** 20)
      return path
    }
    const refusal = async (work: Promise<void>): Promise<string> =>
      await work.then(
        () => 'it opened',
        (error: unknown) => (error instanceof ProgramError ? error.stderr : String(error)),
      )

    it('encrypts a disk and opens it with the key released again, at each boot, and leaves no secret in its folder', async () => {
      const data = await disk('data')
      await inGuest(guests[0]!, 'format', data, 'data', key, issuer)
      await inGuest(guests[0]!, 'open', 'data', data)
      await guests[0]!.powerOff()
      await guests[0]!.boot()
      await inGuest(guests[0]!, 'open', 'data', data)
      expect((await readdir(folder)).toSorted()).toEqual(['attest-guest', 'data', 'data-disk', 'table'])
      expect(await readFile(join(folder, 'table'), 'utf8')).toMatch(
        /^data [0-9a-f-]{36} https:\S+ https:\S+ [0-9a-f]{64} [0-9a-f]{64}\n$/,
      )
    })

    it('opens no volume of somebody else’s in its place, though it has the same id', async () => {
      const [, uuid = ''] = (await readFile(join(folder, 'table'), 'utf8')).split(' ')
      const planted = await disk('planted')
      await writeFile(join(folder, 'known'), 'a passphrase of the host’s')
      const args = [
        'luksFormat',
        '--batch-mode',
        '--uuid',
        uuid,
        '--pbkdf',
        'pbkdf2',
        '--pbkdf-force-iterations',
        '1000',
      ]
      await run({ command: 'cryptsetup', args: [...args, '--key-file', join(folder, 'known'), planted] })
      expect(await refusal(inGuest(guests[0]!, 'open', 'data', planted))).toContain('is not the one that was written')
      const other = await disk('other')
      await inGuest(guests[0]!, 'format', other, 'other', key, issuer)
      expect(await refusal(inGuest(guests[0]!, 'open', 'data', other))).toContain('is not the one that was written')
    })

    it('opens no volume whose header the host rewrote to another cipher, its own key slot and all (attacks D1, D3)', async () => {
      const rewritten = join(folder, 'rewritten')
      await copyFile(join(folder, 'data'), rewritten)
      await rewriteLuks2(rewritten, 0, (header) => {
        for (const segment of Object.values(header.segments) as { encryption: string }[])
          segment.encryption = 'cipher_null-ecb'
      })
      expect(await refusal(inGuest(guests[0]!, 'open', 'data', rewritten))).toContain('is not the one that was written')
    })

    it('does not open by the released key alone: another system in this VM has not the number on its OS disk', async () => {
      const table = await readFile(join(folder, 'table'), 'utf8')
      await writeFile(join(folder, 'table'), table.replace(/[0-9a-f]{64}(?= [0-9a-f]{64}$)/gm, '0'.repeat(64)))
      expect(await refusal(inGuest(guests[0]!, 'open', 'data', join(folder, 'data')))).toContain('No key available')
      await writeFile(join(folder, 'table'), table)
    })

    it('does not open in another VM, whatever that knows: its key is not released to it', async () => {
      expect(await refusal(inGuest(guests[1]!, 'open', 'data', join(folder, 'data')))).toContain('was not released')
    })
  },
)
