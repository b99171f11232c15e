import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { fromHex, toHex } from '../core/bytes/hex.ts'
import { pcrPolicyDigest, requirePcrBoundKey } from './pcr-policy.ts'
import { objectAttributes } from './public.ts'

/** Registers of swtpm 0.7 after one extension of register 7; the digests below come from its policy sessions. */
const registers: Map<number, Uint8Array> = new Map(Array.from({ length: 8 }, (_, pcr) => [pcr, new Uint8Array(32)]))
registers.set(7, fromHex('3d458cfe55cc03ea1f443f1562beec8df51c75e14a9fcf9a7234a13f198e7969'))
const only = (...pcrs: number[]): Map<number, Uint8Array> =>
  new Map(pcrs.map((pcr) => [pcr, registers.get(pcr) ?? new Uint8Array(32).fill(0)]))

const { fixedTpm, fixedParent, sensitiveDataOrigin, decrypt, userWithAuth, sign } = objectAttributes
const bound = fixedTpm | fixedParent | sensitiveDataOrigin | decrypt

interface Key {
  policy: Uint8Array
  attributes?: number
  bits?: number
  exponent?: number
  nameAlgorithm?: number
}

const sized = (bytes: Uint8Array): Uint8Array => new ByteWriter().u16be(bytes.length).bytes(bytes).finish()
const head = ({ policy, attributes = bound, nameAlgorithm = 0x0b }: Key, type: number): ByteWriter =>
  new ByteWriter().u16be(type).u16be(nameAlgorithm).u32be(attributes).bytes(sized(policy)).u16be(0x0010)

/** TPM2B_PUBLIC of an RSA key for encryption, RSAES. */
function key(o: Key): Uint8Array {
  const { bits = 2048, exponent = 0 } = o
  const modulus = new Uint8Array(bits / 8).fill(0xc1)
  return sized(head(o, 0x0001).u16be(0x0015).u16be(bits).u32be(exponent).bytes(sized(modulus)).finish())
}

/** A TPM computes a policy with the name’s algorithm: under another algorithm, these bytes are some other digest. */
function eccKey(o: Key): Uint8Array {
  const coordinate = sized(new Uint8Array(32).fill(1))
  const curve = head(o, 0x0023).u16be(0x0010).u16be(0x0003).u16be(0x0010)
  return sized(curve.bytes(coordinate).bytes(coordinate).finish())
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
    await expect(accept(key({ policy }))).resolves.toMatchObject({ kind: 'rsa', exponent: 65537 })
    await expect(accept(key({ policy }), only(0, 7))).rejects.toMatchObject({ code: 'BindingMismatch' })
    const refused = { code: 'BindingMismatch' }
    await expect(accept(key({ policy: new Uint8Array() }))).rejects.toMatchObject(refused)
    await expect(accept(key({ policy: new Uint8Array(32) }))).rejects.toMatchObject(refused)
    // A TPM computes a policy by the name’s algorithm: under another one these bytes are the digest of something else.
    await expect(accept(key({ policy, nameAlgorithm: 0x0c }))).rejects.toMatchObject(refused)
  })

  it('are refused where a password opens them, where they sign, leave their TPM, are weak or on a curve', async () => {
    const policy = await pcrPolicyDigest(registers, 'sha256')
    for (const objectPublic of [
      ...[bound | userWithAuth, bound | sign, bound & ~fixedTpm, bound & ~decrypt, 0].map((attributes) =>
        key({ policy, attributes }),
      ),
      key({ policy, bits: 1024 }),
      key({ policy, exponent: 3 }),
      eccKey({ policy }),
    ]) {
      const o = { objectPublic, pcrs: registers, bank: 'sha256' as const }
      await expect(requirePcrBoundKey(o)).rejects.toMatchObject({ code: 'TpmKeyNotAllowed' })
    }
  })
})
