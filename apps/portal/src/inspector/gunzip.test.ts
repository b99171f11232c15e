import { deflateRawSync, gzipSync, gunzipSync, type Gunzip as Stream } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { gunzip } from './gunzip.ts'

/** The command line's result: Node's, to the last byte. */
function nodes(bytes: Uint8Array, maximum: number): Uint8Array | undefined {
  try {
    const answer = gunzipSync(bytes, { maxOutputLength: maximum, info: true }) as unknown
    const { buffer, engine } = answer as { buffer: Uint8Array; engine: Stream }
    return engine.bytesWritten === bytes.length ? new Uint8Array(buffer) : undefined
  } catch {
    return undefined
  }
}

const limit = 1 << 20
/** Repetitive bytes, so that lengths and distances of every kind occur. */
const content = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 400 })), { maxLength: 12 })
  .map((parts) => new Uint8Array(Buffer.concat(parts.map(([bytes, times]) => Buffer.concat(Array(times).fill(bytes))))))

describe('gzip streams', () => {
  it('give what was packed, at every level and strategy', () => {
    fc.assert(
      fc.property(content, fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 4 }), (bytes, level, strategy) => {
        expect(gunzip(gzipSync(bytes, { level, strategy }), limit)).toEqual(bytes)
      }),
      { numRuns: 60 },
    )
  })

  it('are taken and refused as Node does: damaged, cut short, one after the other, with bytes behind', () => {
    fc.assert(
      fc.property(
        content,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        fc.nat({ max: 3 }),
        (bytes, place, bits, way) => {
          const packed = new Uint8Array(gzipSync(bytes))
          const changed =
            way === 0
              ? packed.map((byte, at) => (at === place % packed.length ? byte ^ bits : byte))
              : way === 1
                ? packed.subarray(0, place % packed.length)
                : new Uint8Array(Buffer.concat([packed, way === 2 ? packed : Buffer.alloc(bits, bits)]))
          expect(gunzip(changed, limit)).toEqual(nodes(changed, limit))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('give no byte more than is taken', () => {
    const bomb = gzipSync(Buffer.alloc(1 << 20))
    expect(gunzip(bomb, (1 << 20) - 1)).toBeUndefined()
    expect(gunzip(bomb, 1 << 20)).toHaveLength(1 << 20)
    expect(gunzip(bomb, 0)).toBeUndefined()
    expect(gunzip(deflateRawSync('no header'), limit)).toBeUndefined()
  })
})
