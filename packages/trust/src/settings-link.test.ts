import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BootFacts } from '@strongroom/contract'
import { parseCertificate, parsePem, toBase64Url, toHex, utf8 } from '@strongroom/evidence'
import {
  settingsRegister,
  settingsRegisterValue,
  settingsText,
  type GuestSettings,
} from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { settingsLink } from './settings-link.ts'

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfTheOwnerKeyOfTheOwnerKeyOfTheOwnerKeyOf'
const asked = { adminUsername: 'azureuser', sshPublicKeys: [key] }
const vmId = 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE'
let folder: string
let own: string
let hosts: string

async function authority(name: string): Promise<string> {
  const file = join(folder, name)
  const subject = ['-subj', `/CN=${name}`, '-newkey', 'rsa:2048', '-nodes', '-keyout', `${file}.key`]
  await promisify(execFile)('openssl', ['req', '-new', '-x509', ...subject, '-out', file])
  return await readFile(file, 'utf8')
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-settings-link-'))
  own = await authority('own')
  hosts = await authority('hosts')
})

afterAll(async () => await rm(folder, { recursive: true, force: true }))

const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest()

/** The link over a guest's measured settings; the evidence names an authority beside its attestation key. */
async function judge(
  authorityDigest: Uint8Array | undefined,
  named = own,
  o: { claims?: object; vmId?: string; by?: 'backup' | 'file'; others?: boolean } = {},
): Promise<string[]> {
  const settings: GuestSettings = {
    ...asked,
    hostname: 'first',
    vmId: o.vmId ?? vmId,
    ...(authorityDigest && { authorityDigest }),
  }
  const settled = settingsText(settings)
  const quoted = { [settingsRegister]: toHex(await settingsRegisterValue(settled)) }
  const evidence = {
    vmId,
    runtimeClaims: toBase64Url(utf8(JSON.stringify({ keys: [], 'vm-configuration': o.claims ?? {} }))),
    settled: toBase64Url(settled),
    vtpm: { akCertificateChainPem: named },
    osDisk: { encryption: 'LUKS2' },
  } as BootFacts
  const certificate = parseCertificate(parsePem(own)[0]!)
  const known = o.others === true ? settingsText({ ...settings, hostname: 'other' }) : settled
  const reference = o.by === undefined ? ({ by: 'owner', asked } as const) : { by: o.by, settled: known }
  return await settingsLink(evidence, { quoted, reference, authority: certificate })
}

const restored = { vmUniqueId: 'OLD', madeAt: '2026-11-29T05:00:00.000Z', generation: 7, manifest: 'ab'.repeat(32) }
const claims = { 'restored-from': restored }

describe('a guest that was restored from a backup', () => {
  it('has the VM id and the authority of the VM that was backed up, as the backup says', async () => {
    const shown = await judge(digest(hosts), own, { claims, vmId: 'OLD', by: 'backup' })
    expect(shown.join('\n')).toContain('set up as VM OLD; it trusts the authority of the installation of that VM')
    expect(shown.join('\n')).toContain('compared with the backup that you restored')
  })

  it('is refused where it settled others than the backup says', async () => {
    await expect(judge(digest(hosts), own, { claims, vmId: 'OLD', by: 'backup', others: true })).rejects.toThrow(/other accounts, keys or data/) // prettier-ignore
  })

  it('is held to this installation’s authority where the claims name no backup, whatever is said of it', async () => {
    await expect(judge(digest(hosts), own, { by: 'backup' })).rejects.toThrow(/a certificate authority other than/)
    await expect(judge(digest(hosts), own, { claims, vmId: 'OLD' })).rejects.toThrow(
      /a certificate authority other than/,
    )
  })
})

it('holds where the guest settled the installation’s own authority', async () => {
  expect((await judge(digest(own)))[0]).toContain('account azureuser')
})

it.each([
  ['another than the installation’s', () => judge(digest(hosts))],
  ['another that the evidence names as the installation’s', () => judge(digest(hosts), hosts)],
  ['none', () => judge(undefined)],
])('refuses a guest that settled %s (attack H7)', async (_what, judged) => {
  await expect(judged()).rejects.toThrow(/a certificate authority other than this installation’s \(PCR 14\)/)
})
