import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSealer, SealError } from './sealer.ts'

const key = Uint8Array.from(randomBytes(32))
const bytes = (): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: 300 })

describe('createSealer', () => {
  it('opens what it sealed, under the same context, also in another process with the same master key', async () => {
    await fc.assert(
      fc.asyncProperty(bytes(), fc.string(), async (plain, context) => {
        const sealed = await createSealer(key).seal(plain, context)
        expect(await createSealer(key).open(sealed, context)).toEqual(plain)
      }),
    )
  })

  it('refuses any altered byte', async () => {
    const sealer = createSealer(key)
    const sealed = await sealer.seal(Buffer.from('secret'), 'c')
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const altered = Uint8Array.from(sealed)
        altered[at] = altered[at]! ^ flip
        await expect(sealer.open(altered, 'c')).rejects.toThrow(SealError)
      }),
    )
  })

  it('refuses what was cut short or is not a sealed thing at all', async () => {
    const sealer = createSealer(key)
    const sealed = await sealer.seal(Buffer.from('secret'), 'c')
    for (const length of [0, 1, 44, 60, sealed.length - 1]) {
      await expect(sealer.open(sealed.subarray(0, length), 'c')).rejects.toThrow(SealError)
    }
  })

  it('refuses another context, another master key and another label', async () => {
    const sealer = createSealer(key)
    const sealed = await sealer.seal(Buffer.from('secret'), 'keys/a')
    await expect(sealer.open(sealed, 'keys/b')).rejects.toThrow(SealError)
    await expect(createSealer(Uint8Array.from(randomBytes(32))).open(sealed, 'keys/a')).rejects.toThrow(SealError)
    await expect(sealer.derive('x').open(sealed, 'keys/a')).rejects.toThrow(SealError)
  })

  it('does not confuse labels that run together to the same text', async () => {
    const sealed = await createSealer(key).derive('a').derive('bc').seal(Buffer.from('secret'), '')
    await expect(createSealer(key).derive('ab').derive('c').open(sealed, '')).rejects.toThrow(SealError)
    expect(await createSealer(key).derive('a').derive('bc').open(sealed, '')).toHaveLength(6)
  })

  it('never seals the same secret to the same bytes', async () => {
    const sealer = createSealer(key)
    const [a, b] = await Promise.all([sealer.seal(Buffer.from('secret'), 'c'), sealer.seal(Buffer.from('secret'), 'c')])
    expect(a).not.toEqual(b)
  })

  it('refuses a master key that is too short', () => {
    expect(() => createSealer(new Uint8Array(31))).toThrow(TypeError)
  })
})
