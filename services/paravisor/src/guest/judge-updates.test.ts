import { createHmac, generateKeyPairSync, randomBytes } from 'node:crypto'
import { parsePem } from '@strongroom/evidence'
import { bootFileText, nothingPassed, type BootFile, type BootFileDocument } from '@strongroom/evidence/expected'
import { issueSelfSigned } from '@strongroom/platform'
import { describe, expect, it, vi } from 'vitest'
import { publisher, publisherName, type Publisher } from '../expected/publisher.ts'
import type { FoundUpdates } from '../tpm/disk-key.ts'
import { judgeUpdates, startedUpdate } from './judge-updates.ts'

const filled = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

function makePublisher(): Publisher & { certificate: Uint8Array } {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const certificatePem = issueSelfSigned({
    subject: 'CN=publisher',
    privateKey,
    usages: ['codeSigning'],
    notBefore: new Date('2026-01-01'),
    notAfter: new Date('2056-01-01'),
  })
  return { ...publisher({ privateKey, certificatePem }), certificate: parsePem(certificatePem)[0]! }
}

const own = makePublisher()
const foreign = makePublisher()
const volumeKey = new Uint8Array(randomBytes(64))
const image = 'debian-13-confidential'

function documentOf(generation: number, o: Partial<BootFileDocument> = {}): BootFileDocument {
  const bootFile = {
    loader: filled(generation),
    kernel: filled(100),
    sections: [{ name: '.linux', sha256: filled(101) }],
  }
  return { image, generation, release: '6.12.57-cloud-amd64', builtAt: new Date('2026-11-28'), bootFile, ...o }
}

function slotOf(jws: string, key = volumeKey): Uint8Array {
  const mac = createHmac('sha256', key).update(`strongroom-boot-file:${jws}`).digest('hex')
  const slot = Buffer.alloc(2048)
  slot.write(`${jws} ${mac}\n`)
  return slot
}

const signed = (generation: number, o?: Partial<BootFileDocument>): string =>
  own.sign(bootFileText(documentOf(generation, o)))
const empty = new Uint8Array(2048)

/** The verdict on these slots, under other variables than the VM's if `pcr7` is given. */
async function judge(slots: [Uint8Array, Uint8Array], o: { lowest?: number; pcr7?: Uint8Array } = {}) {
  const found: FoundUpdates = {
    rules: { publisher: publisherName(own.certificate), image, lowest: o.lowest ?? 0 },
    slots,
    image: { 4: filled(40), 7: filled(70), 11: filled(110) },
    key: { luksUuid: '', volumeKey, keyDigest: '' },
  }
  const predict = async ({ loader }: BootFile) => {
    const registers = { ...nothingPassed, 1: filled(10), 4: loader, 7: o.pcr7 ?? filled(70), 11: filled(111) }
    return await Promise.resolve({ atUnlock: registers, atReady: registers, firmwareLog: registers })
  }
  const logger = { warn: vi.fn() } as unknown as Parameters<typeof judgeUpdates>[1]['logger']
  const { admitted, updates } = await judgeUpdates(found, { certificates: [own.certificate], predict, logger })
  const loaders = admitted.updates.map((each) => each[4][0])
  return {
    image: admitted.image,
    lowest: admitted.lowest,
    generations: updates.map(({ document }) => document.generation),
    loaders,
    updates,
  }
}

describe('updates of the boot file', () => {
  it('are admitted from the other slot beside what the VM has, and raise nothing', async () => {
    expect(await judge([empty, slotOf(signed(2))])).toMatchObject({
      image: true,
      lowest: 0,
      generations: [2],
      loaders: [2],
    })
  })

  it('raise the lowest generation once they are the default: what was superseded does not come back (attack H14)', async () => {
    const before = slotOf(signed(1))
    expect(await judge([slotOf(signed(2)), before])).toMatchObject({ image: false, lowest: 2, generations: [2] })
    expect(await judge([before, slotOf(signed(2))], { lowest: 2 })).toMatchObject({
      image: false,
      lowest: 2,
      generations: [2],
    })
    expect(await judge([empty, before], { lowest: 2 })).toMatchObject({ image: false, lowest: 2, generations: [] })
  })

  it('of one generation are kept both: the last good one starts again', async () => {
    const again = signed(2, { builtAt: new Date('2026-11-29') })
    expect(await judge([slotOf(signed(2)), slotOf(again)])).toMatchObject({ generations: [2, 2] })
  })

  it.each([
    ['signed by another than the image’s publisher', slotOf(foreign.sign(bootFileText(documentOf(2))))],
    ['not signed', slotOf(signed(2).replace(/[^.]+$/, 'AAAA'))],
    ['changed after it was signed', slotOf(signed(2).split('.').with(1, signed(3).split('.')[1]!).join('.'))],
    ['laid down by anyone who has not the disk’s key', slotOf(signed(2), new Uint8Array(64))],
    ['with the MAC of another document', Buffer.from(slotOf(signed(2))).fill(signed(3), 0, signed(3).length)],
    ['for another image of the publisher’s', slotOf(signed(2, { image: 'debian-13-minimal' }))],
    ['with something behind it', Buffer.from(slotOf(signed(2))).fill('x', 2040)],
  ])('are not admitted where the document is %s (attack H14)', async (_what, slot) => {
    for (const slots of [
      [empty, slot],
      [slot, empty],
    ] as [Uint8Array, Uint8Array][])
      expect(await judge(slots)).toMatchObject({ image: true, lowest: 0, generations: [] })
  })

  it('are not admitted under other UEFI variables than the VM was made with (attack B4)', async () => {
    expect(await judge([empty, slotOf(signed(2))], { pcr7: filled(71) })).toMatchObject({ generations: [] })
  })

  it('are named in the evidence by what the firmware started', async () => {
    const { updates } = await judge([empty, slotOf(signed(2))])
    expect(startedUpdate(updates, new Map([[4, filled(40)]]))).toBeUndefined()
    expect(startedUpdate(updates, new Map([[4, filled(2)]]))?.shown.facts.update?.document).toBe(
      signed(2).replace(/[^.]+$/, '') + updates[0]!.jws.split('.')[2]!,
    )
  })
})
