import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { parseGuid } from '../../core/bytes/guid.ts'
import { toHex } from '../../core/bytes/hex.ts'
import { ParseError } from '../../core/errors.ts'
import { parseSnpFirmware } from './snp-firmware.ts'
import { snpKernelHashesPage } from './snp-kernel-hashes.ts'
import { sevLaunchDigest } from './sev-launch-digest.ts'
import { snpFirmwareDigest, snpLaunchDigest, snpSvsmLaunchDigest } from './snp-launch-digest.ts'
import { cpuSignature } from './snp-vmsa.ts'

const code = (wanted: string): unknown => expect.objectContaining({ code: wanted })

/** One page with OVMF's table, SEV metadata and reset block: the smallest possible image. */
function tinyFirmware(
  o: { sections?: [number, number, number][]; version?: number; without?: string } = {},
): Uint8Array {
  const { sections = [[0x800000, 0x1000, 1]], version = 1, without } = o
  const metadata = new ByteWriter()
    .u32le(0x56455341)
    .u32le(16 + 12 * sections.length)
    .u32le(version)
    .u32le(sections.length)
  for (const [address, size, type] of sections) metadata.u32le(address).u32le(size).u32le(type)
  const table = new ByteWriter()
  const entry = (guid: string, data: Uint8Array): void => {
    if (guid !== without)
      table
        .bytes(data)
        .u16le(data.length + 18)
        .bytes(parseGuid(guid))
  }
  entry('dc886566-984a-4798-a75e-5585a7bf67cc', new ByteWriter().u32le(4096).finish())
  entry('00f771de-1a7e-4fcb-890e-68c77e2fb44e', new ByteWriter().u32le(0x80b004).finish())
  table.u16le(table.length + 18).bytes(parseGuid('96b582de-1fb2-45f7-baea-a366c55a082d'))
  const body = metadata.finish()
  return new ByteWriter()
    .bytes(body)
    .zero(4096 - 32 - body.length - table.length)
    .bytes(table.finish())
    .zero(32)
    .finish()
}

describe('snpLaunchDigest', () => {
  const guest = { firmware: tinyFirmware(), vCPUs: 2, vcpuType: 'EPYC-Milan' }

  it('changes with every part of the guest', async () => {
    const changed = Uint8Array.from(guest.firmware)
    changed[200]! ^= 1
    const digests = await Promise.all([
      snpLaunchDigest(guest),
      snpLaunchDigest({ ...guest, firmware: changed }),
      snpLaunchDigest({ ...guest, firmware: tinyFirmware({ sections: [[0x800000, 0x1000, 3]] }) }),
      snpLaunchDigest({ ...guest, vCPUs: 3 }),
      snpLaunchDigest({ ...guest, vcpuType: 'EPYC-Genoa' }),
      snpLaunchDigest({ ...guest, sevFeatures: 0x21n }),
    ])
    expect(new Set(digests.map(toHex)).size).toBe(digests.length)
    expect(toHex(await snpLaunchDigest({ ...guest, vcpuType: 'EPYC-Milan-v2' }))).toBe(toHex(digests[0]!))
  })

  it('refuses firmware that cannot be an SNP guest', async () => {
    const without = tinyFirmware({ without: '00f771de-1a7e-4fcb-890e-68c77e2fb44e' })
    await expect(snpLaunchDigest({ ...guest, firmware: without })).rejects.toMatchObject({ code: 'Missing' })
    await expect(snpLaunchDigest({ ...guest, firmware: new Uint8Array(4096) })).rejects.toMatchObject({
      code: 'WrongMagic',
    })
    await expect(snpLaunchDigest({ ...guest, firmware: new Uint8Array(10) })).rejects.toMatchObject({
      code: 'WrongMagic',
    })
    await expect(snpFirmwareDigest(new Uint8Array(4095))).rejects.toMatchObject({ code: 'WrongLength' })
    expect(() => parseSnpFirmware(tinyFirmware({ version: 2 }))).toThrow(code('UnknownVersion'))
    expect(() => parseSnpFirmware(tinyFirmware({ sections: [[0x800000, 0x1000, 9]] }))).toThrow(code('UnknownType'))
    expect(() => parseSnpFirmware(tinyFirmware({ sections: [[0x800001, 0x1000, 1]] }))).toThrow(code('InvalidValue'))
  })

  it('measures an image without SEV metadata alone, and takes no kernel hashes for it', async () => {
    const without = tinyFirmware({ without: 'dc886566-984a-4798-a75e-5585a7bf67cc' })
    const alone = await snpLaunchDigest({ ...guest, firmware: without })
    expect(toHex(alone)).not.toBe(toHex(await snpLaunchDigest(guest)))
    // The same image with a section of no pages would be refused, so only metadata makes the difference.
    expect(toHex(await snpLaunchDigest({ ...guest, firmware: without, vCPUs: 1 }))).not.toBe(toHex(alone))
    const kernelHashes = new Uint8Array(4096)
    await expect(snpLaunchDigest({ ...guest, firmware: without, kernelHashes })).rejects.toMatchObject({
      code: 'Missing',
    })
  })

  it('knows each hypervisor by the first state that it sets', async () => {
    const firmware = tinyFirmware({
      sections: [
        [0x800000, 0x1000, 1],
        [0x801000, 0x1000, 3],
        [0x802000, 0x1000, 2],
      ],
    })
    const digests = await Promise.all(
      (['qemu', 'ec2', 'gce'] as const).map((hypervisor) => snpLaunchDigest({ ...guest, firmware, hypervisor })),
    )
    expect(new Set(digests.map(toHex)).size).toBe(3)
    // Amazon and Google do not show the guest a processor type; QEMU does, and needs it as input.
    const unnamed = { firmware, vCPUs: 1 }
    await expect(snpLaunchDigest({ ...unnamed, hypervisor: 'ec2' })).resolves.toHaveLength(48)
    await expect(snpLaunchDigest(unnamed)).rejects.toMatchObject({ code: 'UnknownType' })
    expect(toHex(await snpLaunchDigest({ ...unnamed, cpuSignature: cpuSignature(25, 1, 1) }))).toBe(
      toHex(await snpLaunchDigest({ ...unnamed, vcpuType: 'EPYC-Milan' })),
    )
  })

  it('refuses what is not an SVSM, and a variable store that is not whole pages', async () => {
    const svsm = { ...guest, svsm: tinyFirmware(), variablesSize: 4096 }
    await expect(snpSvsmLaunchDigest(svsm)).rejects.toMatchObject({ code: 'Missing' })
    await expect(snpSvsmLaunchDigest({ ...svsm, svsm: new Uint8Array(5) })).rejects.toMatchObject({
      code: 'WrongLength',
    })
  })

  it('refuses a direct kernel under SEV where the firmware would not check it', async () => {
    await expect(
      sevLaunchDigest({ firmware: tinyFirmware(), kernel: { kernel: Uint8Array.of(1) } }),
    ).rejects.toMatchObject({ code: 'Missing' })
    const processors = { vCPUs: 2, vcpuType: 'EPYC' }
    const one = await sevLaunchDigest({ firmware: tinyFirmware(), processors: { ...processors, vCPUs: 1 } })
    expect(toHex(one)).not.toBe(toHex(await sevLaunchDigest({ firmware: tinyFirmware(), processors })))
  })

  it('refuses processors it does not know and impossible numbers of them', async () => {
    await expect(snpLaunchDigest({ ...guest, vcpuType: 'Nehalem' })).rejects.toMatchObject({ code: 'UnknownType' })
    for (const vCPUs of [0, -1, 1.5, 2000]) {
      await expect(snpLaunchDigest({ ...guest, vCPUs })).rejects.toMatchObject({ code: 'InvalidValue' })
    }
  })

  it('refuses kernel hashes where the firmware would not check them', async () => {
    const kernelHashes = await snpKernelHashesPage({ kernel: Uint8Array.of(1) }, 0x810c00)
    await expect(snpLaunchDigest({ ...guest, kernelHashes })).rejects.toMatchObject({ code: 'Missing' })
    await expect(snpKernelHashesPage({ kernel: Uint8Array.of(1) }, 0x810ff0)).rejects.toMatchObject({
      code: 'InvalidValue',
    })
  })

  it('never ends in another error than a ParseError on broken images', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { maxLength: 20 }), (edits) => {
        const image = tinyFirmware()
        for (const [at, byte] of edits) image[at] = byte
        try {
          parseSnpFirmware(image)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
    )
  })

  it('writes families above 15 as CPUID does', () => {
    expect(cpuSignature(14, 1, 2)).toBe(0xe12)
    expect(cpuSignature(23, 1, 2)).toBe(0x800f12)
  })
})
