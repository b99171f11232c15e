import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64 } from '../../core/bytes/base64.ts'
import { utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { EvidenceError, ParseError } from '../../core/errors.ts'
import { parseSettings, settingsRegisterValue, settingsText, verifySettings, type GuestSettings } from './pcr14.ts'

const settings: GuestSettings = {
  hostname: 'vm1',
  adminUsername: 'azureuser',
  vmId: '01234567-89AB-CDEF-0123-456789ABCDEF',
  customData: Uint8Array.of(0, 1, 255),
  sshPublicKeys: ['ssh-ed25519 AAAA me', 'ssh-rsa BBBB'],
}
const line = (name: string, value: string): string => `${name} ${toBase64(utf8(value))}\n`
const head = line('hostname', 'vm1') + line('adminUsername', 'u') + line('vmId', 'V')

describe('what a guest settled at its first boot', () => {
  it('is written as the agent of the reference image writes it', () => {
    // Computed by hand in a shell: for each value, printf NAME; printf VALUE | base64.
    expect(new TextDecoder().decode(settingsText(settings))).toBe(
      'hostname dm0x\nadminUsername YXp1cmV1c2Vy\nvmId MDEyMzQ1NjctODlBQi1DREVGLTAxMjMtNDU2Nzg5QUJDREVG\n' +
        'customData AAH/\nsshPublicKey c3NoLWVkMjU1MTkgQUFBQSBtZQ==\nsshPublicKey c3NoLXJzYSBCQkJC\n',
    )
    expect(parseSettings(settingsText(settings))).toEqual(settings)
  })

  it('gives PCR 14 = SHA-256(zeros ‖ SHA-256(file)), and is read only where PCR 14 is of it', async () => {
    const settled = settingsText(settings)
    const inner = createHash('sha256').update(settled).digest()
    const value = createHash('sha256').update(Buffer.alloc(32)).update(inner).digest()
    expect(toHex(await settingsRegisterValue(settled))).toBe(value.toString('hex'))
    await expect(verifySettings({ settled, quoted: value })).resolves.toEqual(settings)
    const more = settingsText({ ...settings, sshPublicKeys: [...settings.sshPublicKeys, 'ssh-rsa CCCC'] })
    await expect(verifySettings({ settled: more, quoted: value })).rejects.toMatchObject({ code: 'EventLogMismatch' })
    await expect(verifySettings({ settled, quoted: new Uint8Array(32) })).rejects.toMatchObject({
      code: 'EventLogMismatch',
    })
  })

  it('holds a digest in place of a password, whole or not at all', () => {
    const withPassword = { ...settings, passwordDigest: new Uint8Array(32).fill(7) }
    expect(new TextDecoder().decode(settingsText(withPassword))).toContain(
      '\npasswordDigest BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\nsshPublicKey ',
    )
    expect(parseSettings(settingsText(withPassword))).toEqual(withPassword)
    expect(() => parseSettings(settingsText({ ...settings, passwordDigest: new Uint8Array(31) }))).toThrow(
      expect.objectContaining({ code: 'InvalidValue' }),
    )
  })

  it.each([
    ['a key that is two lines of authorized_keys', head + line('sshPublicKey', 'ssh-rsa A\nssh-rsa B'), 'InvalidValue'],
    ['two administrators', head + line('adminUsername', 'v'), 'Duplicate'],
    ['no administrator', line('hostname', 'vm1') + line('vmId', 'V'), 'Missing'],
    ['a name that no agent writes', head + line('password', 'p'), 'UnknownType'],
    ['keys before the rest', line('sshPublicKey', 'ssh-rsa A') + head, 'NotCanonical'],
    ['empty custom data', `${head}customData \n`, 'NotCanonical'],
    ['base64 with bits left over', head.replace('dm0x', 'dm1='), 'InvalidEncoding'],
    ['no end of its last line', head.trimEnd(), 'Truncated'],
    ['more than a guest takes', head + 'x'.repeat(600_000), 'TooLarge'],
  ])('is refused with %s', (_what, text, code) => {
    expect(() => parseSettings(utf8(text))).toThrow(expect.objectContaining({ name: 'ParseError', code }))
  })

  it('has one file for one meaning: whatever is read is written again as it was', () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme-ascii' })
    const some = fc.record(
      {
        hostname: text,
        adminUsername: text,
        vmId: text,
        customData: fc.uint8Array({ minLength: 1 }),
        sshPublicKeys: fc.array(text),
      },
      { requiredKeys: ['hostname', 'adminUsername', 'vmId', 'sshPublicKeys'] },
    )
    fc.assert(
      fc.property(some, (each) => {
        expect(parseSettings(settingsText(each))).toEqual(each)
      }),
    )
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string().map(utf8)), (bytes) => {
        try {
          expect(settingsText(parseSettings(bytes))).toEqual(bytes)
        } catch (error) {
          if (!(error instanceof EvidenceError)) throw error
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })
})
