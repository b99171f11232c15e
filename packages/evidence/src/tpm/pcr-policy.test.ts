import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { pcrPolicyDigest, requirePcrBoundKey } from './pcr-policy.ts'
import { objectAttributes } from './public.ts'

/** Registers of swtpm 0.7 after one extension of register 7; the digests below are what its policy sessions gave. */
const registers: Map<number, Uint8Array> = new Map(Array.from({ length: 8 }, (_, pcr) => [pcr, new Uint8Array(32)]))
registers.set(7, fromHex('3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969'))
const only = (...pcrs: number[]): Map<number, Uint8Array> =>
  new Map(pcrs.map((pcr) => [pcr, registers.get(pcr) ?? new Uint8Array(32).fill(0)]))

const { fixedTpm, fixedParent, sensitiveDataOrigin, decrypt, userWithAuth, sign } = objectAttributes
const bound = fixedTpm | fixedParent | sensitiveDataOrigin | decrypt

/** TPM2B_PUBLIC of an RSA key for encryption, RSAES. */
function key(policy: Uint8Array, attributes: number = bound, bits = 2048): Uint8Array {
  const area = new ByteWriter().u16be(1).u16be(0x000b).u32be(attributes).u16be(policy.length).bytes(policy)
  area
    .u16be(0x0010)
    .u16be(0x0015)
    .u16be(bits)
    .u32be(0)
    .u16be(bits / 8)
    .bytes(new Uint8Array(bits / 8).fill(0xc1))
  const bytes = area.finish()
  return new ByteWriter().u16be(bytes.length).bytes(bytes).finish()
}

describe('keys bound to registers', () => {
  it.each([
    [[0, 7], 'bb045683a990b3efb0aef8a464da30936d5bcec1d8aa0f9070e7459f911b6f64'],
    [[0, 1, 2, 3, 4, 5, 6, 7], '1b00151ff39e4205eaa93ff196d7eb4dc1ee1e2c3dfb6c1342439d329bbed489'],
    [[7, 0], 'bb045683a990b3efb0aef8a464da30936d5bcec1d8aa0f9070e7459f911b6f64'],
  ])('have the policy digest that a TPM computes over registers %j', async (pcrs, digest) => {
    expect(toHex(await pcrPolicyDigest(only(...pcrs), 'sha256'))).toBe(digest)
  })

  it('are accepted with that policy, and refused with another, an empty one, or over other values', async () => {
    const policy = await pcrPolicyDigest(registers, 'sha256')
    const accept = (objectPublic: Uint8Array, pcrs = registers): Promise<unknown> =>
      requirePcrBoundKey({ objectPublic, pcrs, bank: 'sha256' })
    await expect(accept(key(policy))).resolves.toMatchObject({ kind: 'rsa', exponent: 65537 })
    await expect(accept(key(policy), only(0, 7))).rejects.toMatchObject({ code: 'BindingMismatch' })
    await expect(accept(key(new Uint8Array()))).rejects.toMatchObject({ code: 'BindingMismatch', found: 'no policy' })
    await expect(accept(key(new Uint8Array(32)))).rejects.toMatchObject({ code: 'BindingMismatch' })
  })

  it('are refused where a password opens them, where they sign, leave their TPM, or are weak', async () => {
    const policy = await pcrPolicyDigest(registers, 'sha256')
    for (const attributes of [bound | userWithAuth, bound | sign, bound & ~fixedTpm, bound & ~decrypt, 0]) {
      const o = { objectPublic: key(policy, attributes), pcrs: registers, bank: 'sha256' as const }
      await expect(requirePcrBoundKey(o)).rejects.toMatchObject({ code: 'TpmKeyNotAllowed' })
    }
    const weak = { objectPublic: key(policy, bound, 1024), pcrs: registers, bank: 'sha256' as const }
    await expect(requirePcrBoundKey(weak)).rejects.toMatchObject({ code: 'TpmKeyNotAllowed' })
  })
})
