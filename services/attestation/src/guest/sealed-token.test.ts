import { constants, createDecipheriv, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import { kept } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { sealToken } from './sealed-token.ts'

const { publicKey, privateKey } = kept('sealed-token', () => generateKeyPairSync('rsa', { modulusLength: 2048 }))

it('seals a token as the stock client library opens it, each time by a fresh key', () => {
  const seals = ['ä token', 'ä token'].map((token) => {
    const envelope = JSON.parse(Buffer.from(sealToken(token, publicKey), 'base64url').toString())
    const bytes = (text: string): Buffer => Buffer.from(text, 'base64')
    const { Iv, ...params } = envelope.EncryptionParams
    expect(params).toEqual({ BlockMode: 'ChainingModeGCM', BlockPadding: 'PKCS7', Cipher: 'AES', KeySizeInBits: 256 })
    expect(Object.keys(envelope).toSorted()).toEqual([
      'AuthenticationData',
      'EncryptedInnerKey',
      'EncryptionParams',
      'Jwt',
    ])
    const inner = privateDecrypt(
      { key: privateKey, padding: constants.RSA_PKCS1_PADDING },
      bytes(envelope.EncryptedInnerKey),
    )
    expect([inner.length, bytes(Iv).length, bytes(envelope.AuthenticationData).length]).toEqual([32, 12, 16])
    const opened = (associated: string): string => {
      const cipher = createDecipheriv('aes-256-gcm', inner, bytes(Iv))
      cipher.setAAD(Buffer.from(associated)).setAuthTag(bytes(envelope.AuthenticationData))
      return Buffer.concat([cipher.update(bytes(envelope.Jwt)), cipher.final()]).toString()
    }
    expect(opened('Transport Key')).toBe('ä token')
    expect(() => opened('')).toThrow()
    return `${inner.toString('hex')} ${Iv}`
  })
  expect(new Set(seals).size).toBe(2)
})
