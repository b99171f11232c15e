import { createHash } from 'node:crypto'
import type { BootFacts } from '@strongroom/contract'
import { parseRuntimeClaims, toBase64, toBase64Url, toHex, utf8, type Certificate } from '@strongroom/evidence'
import {
  settingsRegister,
  settingsRegisterValue,
  settingsText,
  type GuestSettings,
} from '@strongroom/evidence/expected'
import { describe, expect, it } from 'vitest'
import { vouch } from '../provenance/known.ts'
import { judge, type Link } from '../provenance/link.ts'
import type { SettingsReference } from '../provenance/request.ts'
import { settingsLink } from './settings-link.ts'

const vmId = 'AAAAAAAA-BBBB-4CCC-8DDD-EEEEEEEEEEEE'
const sha256 = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest()
const blob = (byte: number): Buffer => Buffer.alloc(36, byte)
const keyOf = (byte: number): string => `ssh-ed25519 ${blob(byte).toString('base64')}`
const printOf = (byte: number): string =>
  `ssh-ed25519 SHA256:${sha256(blob(byte)).toString('base64').replaceAll('=', '')}`
const [own, foreign] = [keyOf(1), keyOf(2)]
/** No certificate is read here: the link compares its bytes. */
const authority = { raw: Uint8Array.of(1, 2, 3) } as Certificate
const pem = `-----BEGIN CERTIFICATE-----\n${toBase64(authority.raw)}\n-----END CERTIFICATE-----\n`

type Asked = Extract<SettingsReference, { asked: unknown }>['asked']
interface Case {
  /** What the guest set up. */
  guest?: Partial<GuestSettings>
  asked?: Partial<Asked>
  by?: SettingsReference['by'] | 'nobody'
  claims?: object
  /** What the host shows instead of the guest's file. */
  shown?: Uint8Array | undefined
  register?: Uint8Array | undefined
  evidence?: object
}

const settingsOf = (guest: Partial<GuestSettings> = {}): GuestSettings => ({
  hostname: 'first',
  adminUsername: 'azureuser',
  vmId,
  authorityDigest: sha256(pem),
  sshPublicKeys: [own],
  ...guest,
})

async function linked(o: Case = {}): Promise<Link> {
  const settled = settingsText(settingsOf(o.guest))
  const quoted = 'register' in o ? o.register : await settingsRegisterValue(settled)
  const registers = new Map(quoted && [[settingsRegister as number, quoted]])
  const shown = 'shown' in o ? o.shown : settled
  const evidence = {
    ...(shown && { settled: toBase64Url(shown) }),
    vtpm: { akCertificateChainPem: pem },
    osDisk: { encryption: 'LUKS2' },
    ...o.evidence,
  } as BootFacts
  const text = { keys: [], 'vm-configuration': { vmUniqueId: vmId, ...o.claims } }
  const claims = vouch(parseRuntimeClaims(utf8(JSON.stringify(text))), 'silicon')
  const asked = { adminUsername: 'azureuser', sshPublicKeys: [own], ...o.asked }
  const { by = 'owner' } = o
  const reference: SettingsReference | undefined =
    by === 'nobody'
      ? undefined
      : by === 'file' || by === 'first boot' || by === 'backup'
        ? { by, settled }
        : { by, asked }
  return await judge('settings', '', async (proof) => {
    const known = reference && vouch(reference, 'verifier')
    await settingsLink(
      evidence,
      { registers: vouch(registers, 'vTPM'), claims },
      { reference: known, authority, proof },
    )
  })
}

const before =
  'the attested claims have no settings: the VM is from before they had, or its disk brought its own. What they are was ' +
  'decided on the disk, of which the host may have put an older copy back'

describe('the link to accounts and keys', () => {
  it('shows what was measured, compared with what its owner asked for', async () => {
    const value = toHex(await settingsRegisterValue(settingsText(settingsOf()))).slice(0, 16)
    expect(await linked()).toMatchObject({
      outcome: 'verified',
      restsOn: ['silicon', 'vTPM', 'pinned key', 'verifier'],
      stated: [before],
      shows: [
        `PCR 14 ${value}… is of account azureuser, ${printOf(1)}, no custom data: set up at the first boot`,
        'compared with what you passed',
      ],
    })
  })

  it('shows the digest that the claims have too', async () => {
    const digest = toHex(sha256(settingsText(settingsOf())))
    const link = await linked({ claims: { 'settings-sha256': digest } })
    expect(link.shows.slice(1)).toEqual([
      `settings ${digest.slice(0, 16)}… in the attested claims: the vTPM was made for them`,
      'compared with what you passed',
    ])
    expect(link.stated).toEqual([])
    expect(await linked({ claims: { 'settings-sha256': 'ab' } })).toMatchObject({
      outcome: 'refused',
      expected: 'SHA-256 "ab"',
      actual: `SHA-256 ${digest}`,
    })
  })

  it.each([
    ['creator', 'compared with the request recorded when this VM was created here'],
    [
      'resource manager',
      'compared with the resource manager’s record; pass --ssh-key FILE to compare with your own keys',
    ],
    ['file', 'compared with the file you passed'],
    ['first boot', 'compared with the first boot of this VM that you trusted here'],
    ['backup', 'compared with the backup that you restored'],
  ] as const)('names whose word it compared with: %s', async (by, line) => {
    expect((await linked({ by })).shows.at(-1)).toBe(line)
  })

  it('counts several keys, none, and custom data, as asked for', async () => {
    const data = utf8('#cloud-config')
    const asked = { sshPublicKeys: [own, foreign], customDataSha256: toHex(sha256(data)) }
    const several = await linked({ guest: { sshPublicKeys: [foreign, own], customData: data }, asked })
    expect(several.shows[0]).toContain(`account azureuser, ${printOf(2)}, ${printOf(1)}, custom data `)
    expect(several.shows[0]).toContain(`custom data ${toHex(sha256(data)).slice(0, 16)}…: set up`)
    const none = await linked({ guest: { sshPublicKeys: [] }, asked: { sshPublicKeys: [] } })
    expect(none.shows[0]).toContain('account azureuser, no SSH key, no custom data')
  })

  it('takes a key with another comment or other blanks for the same key, and one with options for another', async () => {
    const spaced = ` ${own.replace(' ', '  ')}  me@home`
    expect(await linked({ asked: { sshPublicKeys: [spaced] } })).toMatchObject({ outcome: 'verified' })
    for (const line of [`no-pty ${own}`, own.replace(' ', '')])
      expect(await linked({ asked: { sshPublicKeys: [line] } })).toMatchObject({ outcome: 'refused' })
  })

  it.each<[what: string, Case, why: RegExp, expected: string, actual: string]>([
    [
      'another VM’s settings',
      { guest: { vmId: 'OTHER' } },
      /^The guest was set up as another VM \(PCR 14\)/,
      vmId,
      'OTHER',
    ],
    [
      'another administrator',
      { guest: { adminUsername: 'eve' } },
      /^The guest has a different administrator than requested \(PCR 14\)\.$/,
      'azureuser',
      'eve',
    ],
    [
      'one more key',
      { guest: { sshPublicKeys: [own, foreign] } },
      /^The guest accepts SSH keys that were not requested \(PCR 14\)\. Whoever holds those keys/,
      printOf(1),
      printOf(2),
    ],
    [
      'two keys where none was asked for',
      { guest: { sshPublicKeys: [own, foreign] }, asked: { sshPublicKeys: [] } },
      /^The guest accepts SSH keys that were not requested/,
      'no SSH key',
      `${printOf(1)}, ${printOf(2)}`,
    ],
    [
      'one key less',
      { asked: { sshPublicKeys: [own, foreign] } },
      /^The guest lacks requested SSH keys \(PCR 14\)\.$/,
      `${printOf(1)}, ${printOf(2)}`,
      printOf(1),
    ],
    [
      'no custom data',
      { asked: { customDataSha256: 'ab' } },
      /^The guest was given different custom data than requested \(PCR 14\)\.$/,
      'ab',
      'none',
    ],
    [
      'custom data that was not asked for',
      { guest: { customData: utf8('x') } },
      /^The guest was given different custom data/,
      'none',
      toHex(sha256('x')),
    ],
    [
      'another password',
      { guest: { passwordDigest: sha256('p') }, asked: { passwordSha256: 'ab' } },
      /a different password than requested, or an unrequested one \(PCR 14\)\. Whoever/,
      'ab',
      toHex(sha256('p')),
    ],
    [
      'a password that was not asked for',
      { guest: { passwordDigest: sha256('p') } },
      /a different password than requested/,
      'none',
      toHex(sha256('p')),
    ],
    ['no password', { asked: { passwordSha256: 'ab' } }, /a different password than requested/, 'ab', 'none'],
  ])('is refused for %s', async (_what, change, why, expected, actual) => {
    const link = await linked(change)
    expect(link).toMatchObject({ outcome: 'refused', expected, actual })
    expect(link.why).toMatch(why)
  })

  it('names the register to expect where the host shows other settings than were measured', async () => {
    const quoted = await settingsRegisterValue(settingsText(settingsOf({ sshPublicKeys: [own, foreign] })))
    const wanted = toHex(await settingsRegisterValue(settingsText(settingsOf())))
    const why = expect.stringMatching(/^The guest set up other accounts, keys or data than those \(PCR 14\)\. Whoever/)
    expect(await linked({ register: quoted })).toMatchObject({ why, expected: wanted, actual: toHex(quoted) })
    // The host's file differs from what was asked for: its host name alone stays.
    const shown = settingsText(settingsOf({ sshPublicKeys: [foreign], hostname: 'second' }))
    const asked = toHex(await settingsRegisterValue(settingsText(settingsOf({ hostname: 'second' }))))
    expect(await linked({ register: quoted, shown })).toMatchObject({ why, expected: asked })
    const rich = { customData: utf8('x'), passwordDigest: sha256('p') }
    const text = settingsText(settingsOf({ ...rich, sshPublicKeys: [foreign] }))
    const request = { customDataSha256: toHex(sha256('x')), passwordSha256: toHex(sha256('p')) }
    expect(await linked({ register: quoted, shown: text, asked: request })).toMatchObject({
      expected: toHex(await settingsRegisterValue(settingsText(settingsOf(rich)))),
    })
  })

  it.each([
    ['custom data', { customDataSha256: 'ab' }],
    ['password', { passwordSha256: 'ab' }],
  ])('expects the register of the host’s file where its %s is not the requested one', async (_what, asked) => {
    const quoted = await settingsRegisterValue(settingsText(settingsOf({ sshPublicKeys: [foreign] })))
    const shown = settingsText(settingsOf({ adminUsername: 'eve' }))
    expect(await linked({ register: quoted, shown, asked })).toMatchObject({
      why: expect.stringContaining('other accounts, keys or data') as string,
      expected: toHex(await settingsRegisterValue(shown)),
    })
  })

  it('is refused for a file that was measured and cannot be read, with its own reason', async () => {
    const shown = utf8('hostname')
    expect(await linked({ register: await settingsRegisterValue(shown), shown })).toMatchObject({
      outcome: 'refused',
      code: expect.any(String) as string,
    })
    expect(await linked({ shown })).toMatchObject({
      why: expect.stringContaining('other accounts, keys or data') as string,
      expected: toHex(await settingsRegisterValue(shown)),
    })
  })

  it.each([
    ['a register of zeros', new Uint8Array(32), '00'.repeat(32)],
    ['no such register', undefined, 'no such register in the quote'],
  ])('is refused where the guest measured nothing: %s', async (_what, register, actual) => {
    expect(await linked({ register })).toMatchObject({
      outcome: 'refused',
      why: 'The guest measured no account and no keys into PCR 14.',
      actual,
    })
    expect((await linked({ register: Uint8Array.of(...new Uint8Array(31), 1) })).why).toContain('other accounts')
  })

  it('is not checked where nobody knows what was asked for, or the host shows no settings', async () => {
    expect(await linked({ by: 'nobody' })).toMatchObject({
      outcome: 'not checked',
      why: expect.stringContaining('Pass the guest’s file') as string,
    })
    expect(await linked({ shown: undefined })).toMatchObject({
      outcome: 'not checked',
      why: 'The host did not record what it gave the guest at this boot: restart the VM.',
    })
    expect(await linked({ shown: undefined, by: 'file' })).toMatchObject({ outcome: 'verified' })
  })

  it('states what it does not prove: no guest, a password, and a disk that whoever has it can write', async () => {
    const stated = async (o: Case): Promise<string[]> => (await linked(o)).stated.slice(1)
    expect(await stated({ evidence: { guestRan: false } })).toEqual(['no guest ran, extended as one would have'])
    const guest = { passwordDigest: sha256('p') }
    expect(await stated({ guest, asked: { passwordSha256: toHex(sha256('p')) } })).toEqual([
      'the account has a password, which the resource manager saw in clear and the host as a hash',
    ])
    const osDisk = { encryption: 'none' }
    expect(await stated({ evidence: { osDisk } })).toEqual([
      'the OS disk is not encrypted: whoever has it can write other keys to it later',
    ])
    expect(await stated({ evidence: { osDisk, guestRan: true } })).toHaveLength(1)
    expect(await stated({ evidence: { osDisk, guestRan: false } })).toEqual([
      'no guest ran, extended as one would have',
    ])
  })
})

describe('the link to accounts and keys of a restored VM', () => {
  const from = { vmUniqueId: 'OLD', madeAt: '2026-11-29T05:00:00.000Z', generation: 7, manifest: 'ab'.repeat(32) }
  const claims = { 'restored-from': from }

  it('is of the VM that was backed up, where its request is known', async () => {
    expect(await linked({ claims, guest: { vmId: 'OLD' } })).toMatchObject({ outcome: 'verified' })
    expect(await linked({ claims })).toMatchObject({ outcome: 'refused', expected: 'OLD', actual: vmId })
  })

  it.each(['backup', 'file', 'first boot'] as const)('trusts the authority that its %s has, if any', async (by) => {
    const old = { vmId: 'OLD', authorityDigest: sha256('other') }
    const link = await linked({ claims, guest: old, by })
    expect(link.shows.at(-1)).toBe(
      `set up as VM OLD; it trusts the authority of the installation of that VM (${toHex(old.authorityDigest).slice(0, 16)}…)`,
    )
    const none = { vmId: 'OLD', authorityDigest: undefined } as unknown as Partial<GuestSettings>
    expect((await linked({ claims, guest: none, by })).shows.at(-1)).toContain('of that VM (none)')
  })

  it('has this installation’s authority otherwise, with what was found', async () => {
    const guest = { authorityDigest: sha256('other') }
    expect(await linked({ guest })).toMatchObject({
      expected: toHex(sha256(pem)),
      actual: toHex(guest.authorityDigest),
      why: expect.stringMatching(/^The guest trusts a certificate authority other than this installation’s \(PCR 14\)/),
    })
    const other = { vtpm: { akCertificateChainPem: pem.replace('AQID', 'AQIE') } }
    expect(await linked({ evidence: other })).toMatchObject({
      outcome: 'refused',
      expected: 'the certificate of this installation in the evidence',
    })
  })
})
