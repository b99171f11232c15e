import { expect, it } from 'vitest'
import { requireBootFile } from './signed-content.ts'

const digest = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const signed = { loader: digest(1), sections: [{ name: '.linux', sha256: digest(2) }] }

it.each([
  ['another loader', { ...signed, loader: digest(3) }],
  ['another initrd', { ...signed, sections: [{ name: '.linux', sha256: digest(3) }] }],
  ['a section more', { ...signed, sections: [...signed.sections, { name: '.cmdline', sha256: digest(2) }] }],
  ['a section less', { ...signed, sections: [] }],
])('a VM is not made of an image whose boot file has %s (attack H29)', (_, found) => {
  expect(() => requireBootFile({ name: 'web' }, signed, signed)).not.toThrow()
  expect(() => requireBootFile({ name: 'web' }, signed, found)).toThrow(
    expect.objectContaining({ code: 'ImageChanged' }) as Error,
  )
})
