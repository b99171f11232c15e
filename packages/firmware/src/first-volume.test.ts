import { describe, expect, it } from 'vitest'
import { withSteadyFirstVolume } from './first-volume.ts'

const waitsFor = (first: string): Buffer => Buffer.from(`02${first}02f49c8f13e7f021478f49f5ffecf42d400308`, 'hex')
const [settings, tpmStarted] = [
  waitsFor('254df301e24dad233ff336353ff323f1'),
  waitsFor('15d130a0dd547b449064f206883d7ccc'),
]

function file(type: number, content: Uint8Array): Buffer {
  const made = Buffer.concat([Buffer.alloc(24, 0x11), content, Buffer.alloc(-content.length & 7)])
  made[18] = type
  made[19] = 0
  made.writeUIntLE(made.length, 20, 3)
  return made
}

/** A core that stores a constant into its own data, this many times. */
function core(o: { port?: number; times?: number; holds?: number; distance?: number } = {}): Buffer {
  const { port = 0x608, times = 1, holds = 0, distance = 6 } = o
  const made = Buffer.alloc(64)
  for (let index = 0; index < times; index++) {
    const at = index * 24
    Buffer.from('c705', 'hex').copy(made, at)
    made.writeInt32LE(distance, at + 2)
    made.writeUInt32LE(port, at + 6)
    made.writeUInt32LE(holds, at + 16)
  }
  return file(4, made)
}

/** Sections with one volume of these files. */
function code(...files: Buffer[]): Buffer {
  const header = Buffer.alloc(72)
  const content = Buffer.concat([header, ...files])
  const volume = Buffer.concat([content, Buffer.alloc(4096 - content.length, 0xff)])
  volume.writeBigUInt64LE(4096n, 32)
  volume.write('_FVH', 40, 'latin1')
  volume.writeUInt16LE(72, 48)
  volume.writeUInt32LE(1, 56)
  volume.writeUInt32LE(4096, 60)
  const head = Buffer.from([0, 0, 0, 0x17])
  head.writeUIntLE(volume.length + 4, 0, 3)
  return Buffer.concat([head, volume])
}

describe('the first volume', () => {
  it('starts other processors after the TPM, and has its timer’s port where its core stores it', () => {
    const made = withSteadyFirstVolume(code(core(), file(6, settings)))
    expect(made.equals(code(core({ holds: 0x608 }), file(6, tpmStarted)))).toBe(true)
    expect(withSteadyFirstVolume(made).equals(made)).toBe(true)
  })

  it.each<[string, Buffer]>([
    ['without a core', code(file(6, settings))],
    ['without a driver that starts other processors', code(core())],
    ['with two of them', code(core(), file(6, settings), file(6, settings))],
    ['whose core stores no port', code(core({ port: 0x508 }), file(6, settings))],
    ['whose core stores it twice', code(core({ times: 2 }), file(6, settings))],
    ['whose core stores it over something else', code(core({ holds: 1 }), file(6, settings))],
    ['whose core stores it outside its file', code(core({ distance: 60 }), file(6, settings))],
    ['whose core stores it in front of its file', code(core({ distance: -40 }), file(6, settings))],
  ])('%s is refused, as what it measures is unknown', (_what, other) => {
    expect(() => withSteadyFirstVolume(other)).toThrow('cannot be removed')
  })
})
