import { describe, expect, it } from 'vitest'
import { toHex } from '../core/bytes/hex.ts'
import { launchIndex, readLaunchRecord, writeLaunchRecord } from './launch-record.ts'

describe('a launch record', () => {
  const record = { claims: new Uint8Array(32).fill(7), generation: 258 }
  const content = writeLaunchRecord(record)

  it('is the digest of the claims, then the generation in eight bytes', () => {
    expect(toHex(content)).toBe(`${'07'.repeat(32)}0000000000000102`)
    expect(content).toHaveLength(launchIndex.bytes)
    expect(readLaunchRecord(content)).toEqual(record)
  })

  it.each([0, 39, 41])('is refused in %i bytes', (length) => {
    const cut = new Uint8Array(length)
    expect(() => readLaunchRecord(cut)).toThrow(expect.objectContaining({ name: 'ParseError' }))
  })
})
