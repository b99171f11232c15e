import { createHash } from 'node:crypto'
import type { BootFacts } from '@strongroom/contract'
import { volumeSeparator, volumeText } from '@strongroom/evidence/expected'
import { beforeAll, describe, expect, it } from 'vitest'
import { vouch } from '../provenance/known.ts'
import { judge, LinkNotChecked, type Link } from '../provenance/link.ts'
import { diskLink } from './disk-link.ts'

const sha256 = (...parts: (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const luksUuid = '01234567-89ab-cdef-0123-456789abcdef'
let own: string
let other: string
beforeAll(async () => {
  own = await volumeText({ volumeKey: new Uint8Array(64), luksUuid })
  other = await volumeText({ volumeKey: new Uint8Array(64).fill(1), luksUuid })
})
const digestOf = (text: string): string => sha256(text).toString('hex')

interface Case {
  texts?: string[]
  pinned?: string
  /** When the owner replaced the volume key. */
  rekeyed?: string
  stated?: string | undefined
  encryption?: string
  actual?: 'LUKS2' | 'none'
  boot?: { [K in keyof NonNullable<BootFacts['measuredBoot']>]?: NonNullable<BootFacts['measuredBoot']>[K] | undefined }
  quoted?: boolean
  guestRan?: false
  keyPcrs?: unknown
}

async function linked(o: Case = {}): Promise<Link & { digest: string | undefined }> {
  const { texts = [own, volumeSeparator], encryption = 'DiskWithVMGuestState', quoted = true } = o
  const records = texts.map((text) => {
    const digests = [{ hashAlg: 'sha256', digest: sha256(text).toString('hex') }]
    return `\u001e${JSON.stringify({ pcr: 15, digests, content: { string: text } })}\n`
  })
  let register: Buffer = Buffer.alloc(32)
  for (const text of texts) register = sha256(register, sha256(text))
  const evidence = {
    measuredBoot: {
      userspaceLog: Buffer.from(records.join('')).toString('base64url'),
      pcrs: { 15: 'as stated' },
      ...o.boot,
    },
    osDisk: { encryption: o.actual ?? 'LUKS2', keyPcrs: o.keyPcrs },
    expected: { volume: 'stated' in o ? o.stated : digestOf(own) },
    ...(o.guestRan === false && { guestRan: false }),
  } as unknown as BootFacts
  let digest: string | undefined
  const link = await judge('disk', '', async (proof) => {
    const found = await diskLink(evidence, {
      encryption: vouch(encryption, 'verifier'),
      volume: o.pinned === undefined ? undefined : vouch(o.pinned, 'verifier'),
      rekeyed: o.rekeyed === undefined ? undefined : vouch(o.rekeyed, 'verifier'),
      registers: () => {
        if (!quoted) throw new LinkNotChecked('no quote')
        return vouch(new Map([[15, new Uint8Array(register)]]), 'vTPM')
      },
      proof,
    })
    digest = found?.value
  })
  return { ...link, digest }
}

describe('the link to the OS disk', () => {
  it.each([
    [[11, 0, 4, 99, 'x'], ['its key is readable from this vTPM under PCRs 0, 4, 11']],
    [
      [1, 4],
      [
        'its key is readable from this vTPM under PCRs 1, 4: not PCR 0, which the initrd of this VM’s image does not name',
      ],
    ],
    ['0', []],
    [undefined, []],
  ])('tells which registers the key is under, as the host states it: %j', async (keyPcrs, stated) => {
    expect((await linked({ pinned: digestOf(own), keyPcrs })).stated).toEqual(stated)
  })

  it('tells by the measured count which boot of the disk it is', async () => {
    const counted = [own, `strongroom-disk-count:1:${luksUuid}:${'0'.repeat(15)}c`, volumeSeparator]
    const { outcome, shows } = await linked({ pinned: digestOf(own), texts: counted })
    expect([outcome, shows[0]]).toEqual([
      'verified',
      expect.stringContaining('; boot 12 by the counts of disk and vTPM'),
    ])
    expect((await linked({ pinned: digestOf(own) })).shows[0]).not.toContain('boot')
  })

  it('holds for the volume that was pinned, which rests on the vTPM and on the verifier', async () => {
    expect(await linked({ pinned: digestOf(own) })).toMatchObject({
      outcome: 'verified',
      restsOn: ['vTPM', 'verifier'],
      stated: [],
      digest: digestOf(own),
      shows: [
        expect.stringContaining(`LUKS2 ${luksUuid} mapped as aes-xts-plain64, 512-bit key, measured into PCR 15`),
        expect.stringContaining('is the volume of the first boot that you trusted'),
      ],
    })
  })

  it('takes a volume that nobody pinned as first seen, and says that the host calls it the VM’s', async () => {
    expect(await linked()).toMatchObject({
      outcome: 'verified',
      restsOn: ['vTPM', 'first use'],
      shows: [expect.anything(), expect.stringContaining('is seen for the first time')],
      stated: ['the volume that this VM was created with'],
      digest: digestOf(own),
    })
  })

  it('is refused for another volume than the pinned one, whatever the host states', async () => {
    const texts = [other, volumeSeparator]
    for (const stated of [digestOf(own), digestOf(other), undefined])
      expect(await linked({ texts, stated, pinned: digestOf(own) })).toMatchObject({
        outcome: 'refused',
        code: 'VolumeMismatch',
        digest: undefined,
      })
  })

  it('holds for another volume than the pinned one where its owner replaced the key, and says so', async () => {
    const texts = [other, volumeSeparator]
    const replaced = { texts, stated: digestOf(other), pinned: digestOf(own), rekeyed: '2026-12-03T12:00:00.000Z' }
    expect(await linked(replaced)).toMatchObject({
      outcome: 'verified',
      restsOn: ['vTPM', 'verifier', 'first use'],
      digest: digestOf(other),
      shows: [
        expect.anything(),
        expect.stringMatching(
          /^the volume key was replaced by your `vm rekey` of 2026-12-03T12:00:00\.000Z: .* in place of /,
        ),
      ],
    })
  })

  it('is refused for the pinned volume once its owner replaced the key, whatever the host states (attack H44)', async () => {
    const rekeyed = '2026-12-03T12:00:00.000Z'
    for (const stated of [digestOf(own), digestOf(other), undefined])
      expect(await linked({ stated, pinned: digestOf(own), rekeyed })).toMatchObject({
        outcome: 'refused',
        digest: undefined,
      })
    expect(await linked({ pinned: digestOf(own), rekeyed })).toMatchObject({
      why: expect.stringContaining('this boot opened the volume of before') as string,
      actual: digestOf(own),
    })
  })

  it('takes no volume that was not measured for one of its owner’s key (attack H44)', async () => {
    const rekeyed = '2026-12-03T12:00:00.000Z'
    expect(
      await linked({ texts: [own, volumeSeparator], stated: digestOf(other), pinned: digestOf(own), rekeyed }),
    ).toMatchObject({
      code: 'VolumeMismatch',
    })
    expect(
      await linked({ texts: [volumeSeparator], stated: digestOf(other), pinned: digestOf(own), rekeyed }),
    ).toMatchObject({
      code: 'VolumeMismatch',
    })
  })

  it('is refused where no volume was opened, and where the log does not lead to the quoted register', async () => {
    expect(await linked({ texts: [volumeSeparator] })).toMatchObject({ code: 'VolumeMismatch' })
    const userspaceLog = Buffer.from('').toString('base64url')
    expect(await linked({ boot: { userspaceLog } })).toMatchObject({ code: 'EventLogMismatch' })
  })

  it.each([
    [
      'the host states no volume and none is pinned',
      { stated: undefined },
      'a VM created by an earlier version: recreate it',
    ],
    ['PCR 15 is not quoted', { boot: { pcrs: {} } }, 'no such quote'],
    ['there is no log of user space', { boot: { userspaceLog: undefined } }, 'no such quote'],
  ] as const)('is refused where %s', async (_what, change, actual) => {
    expect(await linked(change)).toMatchObject({
      outcome: 'refused',
      why: 'Nothing proves that the disk is the one this VM was created with.',
      actual,
    })
  })

  it('is not checked without a verified quote, without a report and without a guest', async () => {
    expect(await linked({ quoted: false })).toMatchObject({ outcome: 'not checked', why: 'no quote' })
    expect(await linked({ guestRan: false })).toMatchObject({
      outcome: 'not checked',
      why: 'No guest ran, so there is no disk to unlock.',
    })
  })

  it('of a VM without disk encryption is as in the image, if the host says the same', async () => {
    const asked = { encryption: 'VMGuestStateOnly' }
    expect(await linked({ ...asked, actual: 'none' })).toMatchObject({
      outcome: 'verified',
      shows: ['OS disk as in the image: VMGuestStateOnly does not encrypt it'],
      restsOn: ['verifier'],
      digest: undefined,
    })
    expect(await linked({ ...asked, actual: 'LUKS2' })).toMatchObject({ expected: 'none', actual: 'LUKS2' })
    expect(await linked({ actual: 'none' })).toMatchObject({
      why: 'The OS disk is not encrypted as requested (DiskWithVMGuestState).',
      expected: 'LUKS2',
    })
  })
})
