import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TransparencyError } from './error.ts'
import { formatBundle, parseBundle, parseHashTile, parseTilePath, tilePath, tileWidth, type Tile } from './tiles.ts'

const tiles = fc.record<Tile>({
  level: fc.oneof(fc.constant('entries' as const), fc.integer({ min: 0, max: 6 })),
  index: fc.nat({ max: 2 ** 45 }),
  width: fc.integer({ min: 1, max: tileWidth }),
})

describe('paths of tiles', () => {
  it('are those of the specification', () => {
    expect(tilePath({ level: 0, index: 1_234_067, width: 256 })).toBe('tile/0/x001/x234/067')
    expect(tilePath({ level: 1, index: 0, width: 5 })).toBe('tile/1/000.p/5')
    expect(tilePath({ level: 'entries', index: 999, width: 256 })).toBe('tile/entries/999')
  })

  it('are read back as they were written', () => {
    fc.assert(
      fc.property(tiles, (tile) => {
        expect(parseTilePath(tilePath(tile))).toEqual(tile)
      }),
    )
  })

  it('are refused in any other spelling', () => {
    const wrong = ['tile/0/1', 'tile/0/0001', 'tile/0/x000/001', 'tile/7/000', 'tile/0/000.p/0', 'tile/0/000.p/256']
    for (const path of [
      ...wrong,
      'tile/0/000.p/01',
      'tile/0/001/x002',
      'tile/-1/000',
      'tile/0/../000',
      '',
      'checkpoint',
    ])
      expect([path, parseTilePath(path)]).toEqual([path, undefined])
  })
})

describe('bundles of entries', () => {
  it('are read back as they were written', () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: tileWidth })
    fc.assert(
      fc.property(entries, (some) => {
        expect(parseBundle(formatBundle(some), some.length)).toEqual(some)
      }),
    )
  })

  it('are refused when they are cut, longer, or of another count', () => {
    const bundle = formatBundle([Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)])
    for (let length = 0; length < bundle.length; length++) {
      expect(() => parseBundle(bundle.subarray(0, length), 3)).toThrow(TransparencyError)
    }
    expect(() => parseBundle(Uint8Array.of(...bundle, 0), 3)).toThrow(TransparencyError)
    expect(() => parseBundle(bundle, 2)).toThrow(TransparencyError)
    expect(() => parseHashTile(new Uint8Array(33), 1)).toThrow(TransparencyError)
  })

  it('give an error of ours or entries for any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 0, max: tileWidth }), (bytes, width) => {
        try {
          expect(formatBundle(parseBundle(bytes, width))).toEqual(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(TransparencyError)
        }
      }),
    )
  })
})
