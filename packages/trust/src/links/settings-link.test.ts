import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { BootFacts } from '@strongroom/contract'
import { parseCertificate, parsePem, parseRuntimeClaims, toBase64Url, utf8 } from '@strongroom/evidence'
import {
  settingsRegister,
  settingsRegisterValue,
  settingsText,
  type GuestSettings,
} from '@strongroom/evidence/expected'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { vouch } from '../provenance/known.ts'
import { Proof } from '../provenance/link.ts'
import type { SettingsReference } from '../provenance/request.ts'
import { settingsLink } from './settings-link.ts'

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKeyOfTheOwnerKeyOfTheOwnerKeyOfTheOwnerKeyOf'
const requested = { adminUsername: 'azureuser', sshPublicKeys: [key] }
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
): Promise<Pick<Proof, 'shows' | 'stated'>> {
  const settings: GuestSettings = {
    ...requested,
    hostname: 'first',
    vmId: o.vmId ?? vmId,
    ...(authorityDigest && { authorityDigest }),
  }
  const settled = settingsText(settings)
  const registers = vouch(new Map([[settingsRegister as number, await settingsRegisterValue(settled)]]), 'vTPM')
  const texts = { keys: [], 'vm-configuration': { vmUniqueId: vmId, ...o.claims } }
  const seen = { registers, claims: vouch(parseRuntimeClaims(utf8(JSON.stringify(texts))), 'silicon') }
  const evidence = {
    settled: toBase64Url(settled),
    vtpm: { akCertificateChainPem: named },
    osDisk: { encryption: 'LUKS2' },
  } as BootFacts
  const certificate = parseCertificate(parsePem(own)[0]!)
  const known = o.others === true ? settingsText({ ...settings, hostname: 'other' }) : settled
  const reference = o.by === undefined ? ({ by: 'owner', asked: requested } as const) : { by: o.by, settled: known }
  const proof = new Proof()
  const asked = vouch<SettingsReference>(reference, 'verifier')
  await settingsLink(evidence, seen, { reference: asked, authority: certificate, proof })
  return { shows: proof.shows, stated: proof.stated }
}

const restored = { vmUniqueId: 'OLD', madeAt: '2026-11-29T05:00:00.000Z', generation: 7, manifest: 'ab'.repeat(32) }
const claims = { 'restored-from': restored }

describe('a guest that was restored from a backup', () => {
  it('has the VM id and the authority of the VM that was backed up, as the backup says', async () => {
    const { shows: shown } = await judge(digest(hosts), own, { claims, vmId: 'OLD', by: 'backup' })
    expect(shown.join('\n')).toContain('set up as VM OLD; it trusts the authority of the installation of that VM')
    expect(shown.join('\n')).toContain('compared with the backup that you restored')
  })

  it('is refused where it settled others than the backup says', async () => {
    await expect(judge(digest(hosts), own, { claims, vmId: 'OLD', by: 'backup', others: true })).rejects.toThrow(
      /other accounts, keys or data/,
    )
  })

  it('is held to this installation’s authority where the claims name no backup, whatever is said of it', async () => {
    await expect(judge(digest(hosts), own, { by: 'backup' })).rejects.toThrow(/a certificate authority other than/)
    await expect(judge(digest(hosts), own, { claims, vmId: 'OLD' })).rejects.toThrow(
      /a certificate authority other than/,
    )
  })
})

it('holds where the guest settled the installation’s own authority', async () => {
  expect((await judge(digest(own))).shows[0]).toContain('account azureuser')
})

it('holds where the attested claims have the settings that were measured, and says so', async () => {
  const settled = settingsText({ ...requested, hostname: 'first', vmId, authorityDigest: digest(own) })
  const sha256 = createHash('sha256').update(settled).digest('hex')
  const { shows: shown } = await judge(digest(own), own, { claims: { 'settings-sha256': sha256 } })
  expect(shown[1]).toMatch(/^settings [0-9a-f]+… in the attested claims: the vTPM was made for them$/)
  expect((await judge(digest(own))).stated[0]).toContain('the attested claims have no settings')
})

it.each(['ab'.repeat(32), '', null])(
  'refuses a guest that measured others than the claims have: %s (attack H24)',
  async (claimed) => {
    await expect(judge(digest(own), own, { claims: { 'settings-sha256': claimed } })).rejects.toThrow(
      /other settings than the attested claims have \(PCR 14\)/,
    )
  },
)

it.each([
  ['another than the installation’s', () => judge(digest(hosts))],
  ['another that the evidence names as the installation’s', () => judge(digest(hosts), hosts)],
  ['none', () => judge(undefined)],
])('refuses a guest that settled %s (attack H7)', async (_what, judged) => {
  await expect(judged()).rejects.toThrow(/a certificate authority other than this installation’s \(PCR 14\)/)
})
