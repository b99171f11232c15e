import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatCheckpoint, openCheckpoint, parseCheckpoint } from './checkpoint.ts'
import { TransparencyError } from './error.ts'
import { formatNoteKey, openNote, parseNoteKey, signNote, type NoteKey } from './note.ts'

const origin = 'vault.example/operationlog'
const made = (name = origin): { key: NoteKey; sign: (message: Uint8Array) => Uint8Array } => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const raw = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url'))
  return { key: { name, publicKey: raw }, sign: (message) => sign(null, message, privateKey) }
}

describe('signed notes', () => {
  it('open the example of the Go implementation', async () => {
    const key = parseNoteKey('PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW')
    const text =
      'If you think cryptography is the answer to your problem,\nthen you don\u2019t know what your problem is.\n'.replace(
        '\u2019',
        "'",
      )
    const note =
      `${text}\n\u2014 PeterNeumann ` +
      'x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n'
    expect(await openNote(note, key)).toBe(text)
    await expect(openNote(note.replace('answer', 'Answer'), key)).rejects.toMatchObject({ code: 'SignatureInvalid' })
  })

  it('open under the key that signed them and no other, a key of the same name included', async () => {
    const [own, other] = [made(), made()]
    const note = signNote('text\n', own.key, own.sign)
    expect(await openNote(note, own.key)).toBe('text\n')
    await expect(openNote(note, other.key)).rejects.toMatchObject({ code: 'SignatureInvalid' })
  })

  it('pass over signatures of witnesses, and refuse a wrong one of the log beside a good one', async () => {
    const [own, witness] = [made(), made('witness.example')]
    const note = signNote('text\n', own.key, own.sign)
    const cosigned = note + signNote('text\n', witness.key, witness.sign).slice('text\n\n'.length)
    expect(await openNote(cosigned, own.key)).toBe('text\n')
    const wrong = signNote('other\n', own.key, own.sign).slice('other\n\n'.length)
    await expect(openNote(note + wrong, own.key)).rejects.toMatchObject({ code: 'SignatureInvalid' })
  })

  it('are refused after any change of a byte', async () => {
    const { key, sign: by } = made()
    const note = signNote(`${origin}\n5\n${Buffer.alloc(32).toString('base64')}\n`, key, by)
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: note.length - 1 }), fc.integer({ min: 32, max: 126 }), async (place, code) => {
        const changed = note.slice(0, place) + String.fromCharCode(code) + note.slice(place + 1)
        if (changed === note) return
        await expect(openNote(changed, key)).rejects.toBeInstanceOf(TransparencyError)
      }),
    )
  })

  it('give no key for a text that is not one', () => {
    const text = formatNoteKey(made().key)
    expect(parseNoteKey(text).name).toBe(origin)
    for (const wrong of [
      '',
      text.slice(1),
      `${text}A`,
      text.replace('+', '-'),
      text.replace(/\+[0-9a-f]{8}/, '+00000000'),
    ])
      expect(() => parseNoteKey(wrong)).toThrow(TransparencyError)
  })
})

describe('checkpoints', () => {
  it('are read back as they were written', () => {
    const checkpoint = { origin, size: 3, root: new Uint8Array(32).fill(7) }
    expect(parseCheckpoint(formatCheckpoint(checkpoint))).toEqual(checkpoint)
  })

  it('of another log are refused though the key is the same', async () => {
    const { key, sign: by } = made()
    const text = formatCheckpoint({ origin: 'other.example/operationlog', size: 1, root: new Uint8Array(32) })
    const note = signNote(text, key, by)
    await expect(openCheckpoint(note, key, origin)).rejects.toMatchObject({ code: 'OriginMismatch' })
  })

  it('are refused with sizes and roots that are none', () => {
    const root = Buffer.alloc(32).toString('base64')
    const wrong = [`${origin}\n01\n${root}\n`, `${origin}\n-1\n${root}\n`, `${origin}\n1\nAAAA\n`, `\n1\n${root}\n`]
    for (const text of [...wrong, `${origin}\n1\n${root}`, `${origin}\n9999999999999999\n${root}\n`, '', 'x'])
      expect(() => parseCheckpoint(text)).toThrow(TransparencyError)
  })
})
