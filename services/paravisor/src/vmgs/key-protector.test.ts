import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { bindTo, decodeBinding, encodeBinding, openBinding } from './customer-binding.ts'
import { unwrapKey, wrapKey } from './key-wrap.ts'
import { openProtector, protectKey } from './key-protector.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const dataKey = Buffer.alloc(32, 1)
const intermediateKey = Buffer.alloc(32, 2)
const length = 2 * 512 + 2 * 516 + 4
const active = (bytes: Buffer): number => bytes.readUInt32LE(length - 4)
const refusal = (code: string, more: object = {}): Error => expect.objectContaining({ code, ...more }) as Error

describe('the key protector', () => {
  it('holds the data key in its first slot, as long as the modulus, and nothing else', () => {
    const bytes = protectKey(dataKey, pair.publicKey)
    expect([bytes.length, active(bytes)]).toEqual([length, 0])
    expect(bytes.subarray(256).every((byte) => byte === 0)).toBe(true)
    expect(openProtector(bytes, pair.privateKey)).toEqual(dataKey)
  })

  it('writes the other slot at each boot, and leaves the active one as it is', () => {
    const first = protectKey(dataKey, pair.publicKey)
    const second = protectKey(Buffer.alloc(32, 3), pair.publicKey, { previous: first })
    expect(active(second)).toBe(1)
    expect(second.subarray(0, 512)).toEqual(first.subarray(0, 512))
    expect(openProtector(second, pair.privateKey)).toEqual(Buffer.alloc(32, 3))
    second.fill(9, 256, 512)
    const third = protectKey(Buffer.alloc(32, 4), pair.publicKey, { previous: second })
    expect(active(third)).toBe(0)
    expect(third.subarray(512, 1024)).toEqual(second.subarray(512, 1024))
    expect(third.subarray(256, 512).every((byte) => byte === 0)).toBe(true)
    expect(openProtector(third, pair.privateKey)).toEqual(Buffer.alloc(32, 4))
  })

  it('needs both keys under a customer’s', () => {
    const bytes = protectKey(dataKey, pair.publicKey, { intermediateKey })
    expect(openProtector(bytes, pair.privateKey, intermediateKey)).toEqual(dataKey)
    expect(() => openProtector(bytes, pair.privateKey, dataKey)).toThrow(refusal('GuestStateOfAnotherVm'))
    expect(() => openProtector(bytes, other.privateKey, intermediateKey)).toThrow(refusal('GuestStateOfAnotherVm'))
    expect(() => openProtector(bytes, pair.privateKey)).toThrow(
      refusal('GuestStateCorrupt', { message: 'The guest state cannot be used: its data key has the wrong length.' }),
    )
  })

  it('is refused under another key, of another length, and without an active slot', () => {
    const bytes = protectKey(dataKey, pair.publicKey)
    expect(() => openProtector(bytes, other.privateKey)).toThrow(
      refusal('GuestStateOfAnotherVm', { target: 'guestState' }),
    )
    for (const cut of [bytes.subarray(1), Buffer.concat([bytes, Buffer.alloc(1)])])
      expect(() => openProtector(cut, pair.privateKey)).toThrow(
        refusal('GuestStateCorrupt', { expected: `${length} bytes`, found: `${cut.length} bytes` }),
      )
    bytes.writeUInt32LE(2, length - 4)
    expect(() => openProtector(bytes, pair.privateKey)).toThrow(
      refusal('GuestStateCorrupt', { expected: '0 or 1', found: '2' }),
    )
  })
})

describe('a wrapped key', () => {
  it('is eight bytes longer, and opens with its key alone', () => {
    const wrapped = wrapKey(dataKey, intermediateKey)
    expect(wrapped).toHaveLength(40)
    expect(unwrapKey(wrapped, intermediateKey)).toEqual(dataKey)
    expect(() => unwrapKey(wrapped, dataKey)).toThrow()
  })
})

describe('the reference to a customer’s key, member by member', () => {
  const keyId = 'https://box.vault.strongroom.internal/keys/disk/1'
  const good = { version: 1, keyId, wrappedKey: 'AAAA' }
  const padded = (text: string): Buffer => Buffer.concat([Buffer.from(text), Buffer.alloc(2048 - text.length)])
  const reference = (change: object): Buffer => padded(JSON.stringify({ ...good, ...change }))

  it('is read as it stands', () => {
    expect(decodeBinding(reference({}))).toEqual({ keyId, wrappedKey: Buffer.alloc(3) })
    for (const wrappedKey of ['AA==', 'AAA=', 'A'.repeat(1400)])
      expect(decodeBinding(reference({ wrappedKey })).wrappedKey).toEqual(Buffer.from(wrappedKey, 'base64'))
    const longest = `https://${'a'.repeat(500)}`
    expect(decodeBinding(reference({ keyId: longest })).keyId).toBe(longest)
  })

  it.each<[what: string, object]>([
    ['version 2', { version: 2 }],
    ['no address', { keyId: undefined }],
    ['a number for an address', { keyId: 1 }],
    ['an address without TLS', { keyId: 'http://box' }],
    ['an empty address', { keyId: 'https://' }],
    ['text before the address', { keyId: ` ${keyId}` }],
    ['a list of one address', { keyId: [keyId] }],
    ['a list of one wrapped key', { wrappedKey: ['AAAA'] }],
    ['a blank in the address', { keyId: `${keyId} x` }],
    ['an address that is too long', { keyId: `https://${'a'.repeat(501)}` }],
    ['no wrapped key', { wrappedKey: undefined }],
    ['a number for a wrapped key', { wrappedKey: 1 }],
    ['one letter of base64', { wrappedKey: 'A' }],
    ['too long a wrapped key', { wrappedKey: 'A'.repeat(1401) }],
    ['text before the wrapped key', { wrappedKey: '-AAAA' }],
    ['text after the wrapped key', { wrappedKey: 'AAAA-' }],
    ['too much padding', { wrappedKey: 'A===' }],
    ['a member more', { more: 1 }],
  ])('is malformed with %s', (_what, change) => {
    expect(() => decodeBinding(reference(change))).toThrow(
      refusal('GuestStateCorrupt', { message: 'The guest state cannot be used: its key reference is malformed.' }),
    )
  })

  it.each<[what: string, Buffer, message: string]>([
    ['no JSON', padded('{'), 'its key reference cannot be read'],
    ['JSON without members', padded('1'), 'its key reference is malformed'],
    ['null', padded('null'), 'its key reference is malformed'],
    ['text after its end', Buffer.concat([reference({}).subarray(0, 2047), Buffer.of(1)]), 'has a wrong length field'],
    ['text after an empty one', Buffer.concat([Buffer.alloc(2047), Buffer.of(1)]), 'has a wrong length field'],
    ['one byte less', reference({}).subarray(1), 'its key reference has the wrong length'],
  ])('is refused with %s', (_what, bytes, message) => {
    expect(() => decodeBinding(bytes)).toThrow(
      refusal('GuestStateCorrupt', { message: expect.stringContaining(message) as string }),
    )
  })

  it('may fill its place, and is not written where it does not fit', () => {
    const { length: around } = JSON.stringify({ ...good, wrappedKey: '' })
    const spaced = JSON.stringify(good).padStart(2048)
    expect(decodeBinding(Buffer.from(spaced)).keyId).toBe(keyId)
    const fits = { keyId: keyId + 'a'.repeat(2048 - around), wrappedKey: Buffer.alloc(0) }
    expect(encodeBinding(fits)).toHaveLength(2048)
    expect(() => encodeBinding({ ...fits, keyId: `${fits.keyId}a` })).toThrow(TypeError)
  })

  it('opens with the customer’s key, and holds 32 bytes', () => {
    const binding = bindTo(keyId, pair.publicKey, intermediateKey)
    expect(decodeBinding(encodeBinding(binding))).toEqual(binding)
    expect(openBinding(binding, pair.privateKey)).toEqual(intermediateKey)
    for (const [of, key] of [
      [binding, other.privateKey],
      [bindTo(keyId, pair.publicKey, Buffer.alloc(31)), pair.privateKey],
      [bindTo(keyId, pair.publicKey, Buffer.alloc(33)), pair.privateKey],
    ] as const)
      expect(() => openBinding(of, key)).toThrow(refusal('GuestStateOfAnotherKey', { target: keyId }))
  })
})
