import { describe, expect, it } from 'vitest'
import { parseUserspaceLog, type UserspaceRecord } from '../../eventlog/userspace-log.ts'
import { utf8 } from '../../core/bytes/bytes.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { extendAll, textDigest } from './pcr.ts'
import { verifyVolume, volumeDigest, volumeSeparator, volumeText } from './pcr15.ts'
import { verifySshHostKey } from './ssh-host-key.ts'

const keyOf = (fill: number): string =>
  `ssh-ed25519 ${Buffer.concat([Buffer.from('\0\0\0\u000bssh-ed25519\0\0\0 '), Buffer.alloc(32, fill)]).toString('base64')}`
const [own, other] = [keyOf(1), keyOf(2)]
const measured = (key: string): string => `strongroom-ssh-host-key:1:${key}`
const volume = await volumeText({
  volumeKey: new Uint8Array(64),
  luksUuid: '01234567-89ab-cdef-0123-456789abcdef',
})

/** A boot's log and register: what was extended into PCR 15, in order. */
async function boot(...texts: string[]): Promise<{ log: UserspaceRecord[]; quoted: Uint8Array }> {
  const digests = await Promise.all(texts.map(async (text) => await textDigest(text)))
  const lines = texts.map((text, index) => {
    const digest = [{ hashAlg: 'sha256', digest: toHex(digests[index]!) }]
    return `\u001e${JSON.stringify({ pcr: 15, digests: digest, content: { string: text } })}\n`
  })
  return { log: parseUserspaceLog(utf8(lines.join(''))), quoted: await extendAll(digests) }
}

describe('the SSH host key that a boot measured', () => {
  it.each([
    ['after a volume', [volume, volumeSeparator, measured(own)]],
    ['without one', [volumeSeparator, measured(own)]],
    ['before other measurements', [volumeSeparator, measured(own), 'machine-id:0']],
    ['a second time, by an agent that was restarted', [volumeSeparator, measured(own), measured(own)]],
  ])('is known %s', async (_when, texts) => {
    expect(await verifySshHostKey(await boot(...texts))).toBe(own)
  })

  it('is none where the guest says so, and unknown where an earlier agent measured nothing', async () => {
    expect(await verifySshHostKey(await boot(volumeSeparator, measured('none')))).toBe('none')
    expect(await verifySshHostKey(await boot(volume, volumeSeparator))).toBeUndefined()
    expect(await verifySshHostKey(await boot())).toBeUndefined()
  })

  it('leaves the volume what it is', async () => {
    const seen = await boot(volume, volumeSeparator, measured(own))
    const { luksUuid } = await verifyVolume({ ...seen, expected: await volumeDigest(volume) })
    expect(luksUuid).toBe('01234567-89ab-cdef-0123-456789abcdef')
    const early = await boot(volumeSeparator, volume, measured(own))
    await expect(verifyVolume({ ...early, expected: await volumeDigest(volume) })).rejects.toMatchObject({
      code: 'VolumeMismatch',
    })
  })

  it.each([
    ['two keys', [volumeSeparator, measured(own), measured(other)]],
    ['something else before it', [volumeSeparator, 'machine-id:0', measured(own)]],
    ['no key', [volumeSeparator, measured('')]],
    ['a key of another type', [volumeSeparator, measured(own.replace('ed25519', 'rsa'))]],
    ['a key that is not of its type', [volumeSeparator, measured(`ssh-ed25519 ${'A'.repeat(68)}`)]],
    ['a key and an option behind it', [volumeSeparator, measured(`${own} x`)]],
  ])('is refused with %s', async (_what, texts) => {
    await expect(verifySshHostKey(await boot(...texts))).rejects.toMatchObject({ code: 'HostKeyMismatch' })
  })

  it.each([0, 1])(
    'is refused where the host wrote another key into record %i of the log (attack H26)',
    async (index) => {
      const { log, quoted } = await boot(volumeSeparator, measured(own), measured(own))
      const text = measured(other)
      const written = log.map((record, at) => (at === index + 1 ? { ...record, text } : record))
      await expect(verifySshHostKey({ log: written, quoted })).rejects.toMatchObject({ code: 'EventLogMismatch' })
    },
  )

  it('is refused where the host wrote another record, which the register does not have (attack H26)', async () => {
    const { log } = await boot(volumeSeparator, measured(other))
    const { quoted } = await boot(volumeSeparator, measured(own))
    await expect(verifySshHostKey({ log, quoted })).rejects.toMatchObject({ code: 'EventLogMismatch' })
  })
})
