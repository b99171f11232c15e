import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bindTo, decodeBinding, encodeBinding } from './customer-binding.ts'
import { GuestState, type CustomerWrap } from './guest-state.ts'
import { writesOf } from './test-writes.ts'

const vmId = 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333'
const platform = generateKeyPairSync('rsa', { modulusLength: 3072 })
const [first, second] = [2048, 4096].map((modulusLength) => generateKeyPairSync('rsa', { modulusLength }))
const keyId = (version: string): string => `https://box.vault.strongroom.internal/keys/disk/${version.repeat(32)}`
const old: CustomerWrap = { keyId: keyId('1'), key: first!.privateKey }
const fresh: CustomerWrap = { keyId: keyId('2'), key: second!.privateKey }
const tpm = Buffer.from('the vTPM keeps CANARY-9a1c')

let directory: string
let path: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'customer-binding-'))
  path = join(directory, 'guest-state.vmgs')
  await GuestState.create({
    path,
    vmId,
    wrappingKey: platform.publicKey,
    customer: { keyId: old.keyId, key: first!.publicKey },
    tpm,
    variables: Buffer.alloc(9, 7),
  })
})

afterEach(async () => {
  await rm(directory, { recursive: true, force: true })
})

async function open(customer: CustomerWrap | undefined, releasedKey = platform.privateKey): Promise<string> {
  const state = await GuestState.open({ path, vmId, releasedKey, customer, counter: 0 })
  try {
    return state.tpm().toString()
  } finally {
    await state.close()
  }
}

async function advance(from: CustomerWrap, to: CustomerWrap): Promise<void> {
  const state = await GuestState.open({ path, vmId, releasedKey: platform.privateKey, customer: from, counter: 0 })
  await state.advance(platform.privateKey, to)
  await state.close()
}

describe('guest state under a customer’s key', () => {
  it('names its key in clear, and opens with it boot after boot', async () => {
    for (let boot = 0; boot < 3; boot++) {
      expect(await GuestState.customerKeyOf(path)).toBe(old.keyId)
      expect(await open(old)).toBe(tpm.toString())
      await advance(old, old)
    }
  })

  it('opens with neither key alone', async () => {
    await expect(open(undefined)).rejects.toMatchObject({ code: 'GuestStateCorrupt', found: old.keyId })
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
    await expect(open(old, privateKey)).rejects.toMatchObject({ code: 'GuestStateOfAnotherVm' })
    await expect(open({ keyId: old.keyId, key: second!.privateKey })).rejects.toMatchObject({
      code: 'GuestStateOfAnotherKey',
      target: old.keyId,
    })
  })

  it('goes under another key in one step: afterwards the old one opens nothing', async () => {
    await advance(old, fresh)
    expect(await GuestState.customerKeyOf(path)).toBe(fresh.keyId)
    expect(await open(fresh)).toBe(tpm.toString())
    await expect(open(old)).rejects.toMatchObject({ code: 'GuestStateCorrupt', found: fresh.keyId })
  })

  it('is under the old key or the new one wherever the change is cut off', async () => {
    const before = await readFile(path)
    const steps = await writesOf(path, async () => await advance(old, fresh))
    const bytes = Buffer.from(before)
    const seen: string[] = []
    for (const { bytes: written, offset } of steps.flatMap((writes) => writes.toReversed())) {
      await writeFile(path, bytes)
      const keyId = (await GuestState.customerKeyOf(path))!
      if (seen.at(-1) !== keyId) seen.push(keyId)
      expect(await open(keyId === old.keyId ? old : fresh)).toBe(tpm.toString())
      bytes.set(written, offset)
    }
    await writeFile(path, bytes)
    expect(await open(fresh)).toBe(tpm.toString())
    expect(seen).toEqual([old.keyId, fresh.keyId])
  })

  it('is refused where the host renames the key in the clear reference', async () => {
    const bytes = await readFile(path)
    const at = bytes.indexOf(old.keyId)
    bytes.write(fresh.keyId, at, 'latin1')
    await writeFile(path, bytes)
    await expect(open(fresh)).rejects.toMatchObject({ code: 'GuestStateOfAnotherKey' })
    // The same key under another name: the encrypted part names the right one.
    await expect(open({ keyId: fresh.keyId, key: old.key })).rejects.toMatchObject({ code: 'GuestStateCorrupt' })
  })

  it('is not made of a guest state without a customer’s key, nor the reverse', async () => {
    const other = join(directory, 'other')
    const wrappingKey = platform.publicKey
    await GuestState.create({ path: other, vmId, wrappingKey, tpm, variables: Buffer.alloc(9) })
    await copyFile(other, path)
    await expect(open(old)).rejects.toMatchObject({ code: 'GuestStateCorrupt', found: 'none' })
    const state = await GuestState.open({ path, vmId, releasedKey: platform.privateKey, counter: 0 })
    await expect(state.advance(platform.privateKey, old)).rejects.toThrow(TypeError)
    await state.close()
  })
})

describe('the reference to a customer’s key', () => {
  const publicKey = createPublicKey(old.key)

  it('is 2048 bytes and comes back as it was written', () => {
    const binding = bindTo(old.keyId, publicKey, randomBytes(32))
    const encoded = encodeBinding(binding)
    expect(encoded).toHaveLength(2048)
    expect(decodeBinding(encoded)).toEqual(binding)
  })

  it('is refused, never misread, whatever bytes are in its place', () => {
    const good = encodeBinding(bindTo(old.keyId, publicKey, randomBytes(32)))
    const decode = (bytes: Uint8Array): string => {
      try {
        return decodeBinding(bytes).keyId
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => {
        expect(decode(bytes)).toBe('GuestStateCorrupt')
      }),
    )
    fc.assert(
      fc.property(fc.json(), (json) => {
        const text = Buffer.from(json).subarray(0, 2048)
        expect(decode(Buffer.concat([text, Buffer.alloc(2048 - text.length)]))).toBe('GuestStateCorrupt')
      }),
    )
    fc.assert(
      fc.property(fc.nat(2047), (length) => {
        expect(decode(good.subarray(0, length))).toBe('GuestStateCorrupt')
      }),
    )
    // A second text after the first, and members that nobody reads.
    const tail = Buffer.from(good)
    tail.write('{}', 2000, 'latin1')
    expect(decode(tail)).toBe('GuestStateCorrupt')
  })
})
