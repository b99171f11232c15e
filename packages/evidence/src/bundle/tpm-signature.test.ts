import { describe, expect, it } from 'vitest'
import { detect } from './detect.ts'

const kind = (bytes: Uint8Array): string => detect('f', bytes)[0]!.kind
/** RSASSA with SHA-256 and 256 bytes, as a TPM gives it. */
const signature = Uint8Array.from([0, 0x14, 0, 0x0b, 1, 0, ...new Uint8Array(256).fill(0xa5)])

describe('a TPM’s signature', () => {
  it('is a signature also with one of its marks damaged, so that it is refused and not passed over (attack E33)', () => {
    expect(kind(signature)).toBe('tpm-signature')
    for (let place = 0; place < 6; place++) {
      const damaged = signature.map((byte, at) => (at === place ? byte ^ 1 : byte))
      expect([place, kind(damaged)]).toEqual([place, 'tpm-signature'])
    }
    expect(kind(signature.slice(0, -1))).toBe('tpm-signature')
    expect(kind(Uint8Array.from([...signature, 0]))).toBe('tpm-signature')
  })

  it('is not any bytes of that length, and a bare one is a bare one', () => {
    expect(kind(new Uint8Array(262).fill(0xa5))).toBe('unknown')
    expect(kind(signature.map((byte, at) => (at === 1 || at === 3 ? byte ^ 1 : byte)))).toBe('unknown')
    expect(kind(Uint8Array.from([...signature.subarray(0, 4), ...new Uint8Array(252)]))).toBe('signature')
  })
})
