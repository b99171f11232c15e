import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { unpackLzma } from './lzma.ts'

/** As xz packs it, with the size in its header. */
function packed(content: Uint8Array, options = ''): Uint8Array {
  const made = execFileSync('xz', ['--format=lzma', '--stdout', `--lzma1=preset=6${options}`], { input: content })
  made.writeBigUInt64LE(BigInt(content.length), 5)
  return Uint8Array.from(made)
}

/** Words of a small vocabulary, repeated near and far: literals, matches and repeated distances of every kind. */
function text(length: number): Buffer {
  const words: string[] = []
  for (let index = 0; words.join('').length < length; index += 1) {
    const hash = createHash('sha256').update(String(index)).digest()
    words.push(hash[0]! < 40 ? hash.toString('latin1') : `word ${hash[1]! % 60}, `, '-'.repeat(hash[2]! % 40))
    if (hash[3]! < 20) words.push(words.join('').slice(hash.readUInt16LE(4) % 900, 900 + hash[6]!))
  }
  return Buffer.from(words.join(''), 'latin1').subarray(0, length)
}

describe('content packed by LZMA', () => {
  it.each(['', ',lc=0,lp=0,pb=0', ',lc=0,lp=4,pb=4', ',lc=4,lp=0,pb=0', ',nice=273', ',mf=hc3,mode=fast'])(
    'is unpacked as it was%s',
    (options) => {
      for (const content of [Buffer.alloc(0), Buffer.from('a'), Buffer.alloc(70_000), text(60_000)])
        expect(content.equals(unpackLzma(packed(content, options)))).toBe(true)
    },
  )

  it('is unpacked to its size, whatever follows', () => {
    const content = text(5000)
    expect(content.equals(unpackLzma(Buffer.concat([packed(content), Buffer.alloc(100, 0xff)])))).toBe(true)
  })

  it.each<[string, (bytes: Uint8Array) => Uint8Array, string]>([
    ['that is cut short', (bytes) => bytes.subarray(0, bytes.length - 200), 'data that ends too early'],
    ['that is a header alone', (bytes) => bytes.subarray(0, 13), 'no header of an LZMA file'],
    ['of properties that do not exist', (bytes) => Uint8Array.from(bytes).fill(225, 0, 1), 'no header of an LZMA file'],
    ['of more than a flash file', (bytes) => Uint8Array.from(bytes).fill(5, 8, 9), '83886080 bytes of content'],
    [
      'whose first byte is not zero',
      (bytes) => Uint8Array.from(bytes).fill(1, 13, 14),
      'a start that no encoder writes',
    ],
    ['that begins with a match', (bytes) => Uint8Array.from(bytes).fill(0xfe, 14, 30), 'a match outside the content'],
  ])('%s is refused', (_what, change, found) => {
    const bytes = packed(text(5000))
    bytes.set([0, 0, 0, 0], 9)
    expect(() => unpackLzma(change(bytes))).toThrow(
      expect.objectContaining({
        code: 'InvalidValue',
        found: expect.stringContaining(found.slice(-20)) as string,
      }) as Error,
    )
  })
})
