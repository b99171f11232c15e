import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { fingerprint } from './fingerprint.ts'

describe('the fingerprint of a key', () => {
  const blob = Buffer.alloc(33, 7)
  const printed = `ssh-rsa SHA256:${createHash('sha256').update(blob).digest('base64').slice(0, 43)}`

  it('is as ssh-keygen shows it, whatever blanks the line has', async () => {
    const base64 = blob.toString('base64')
    for (const line of [`ssh-rsa ${base64}`, ` ssh-rsa  ${base64}\tme@home `])
      expect(await fingerprint(line)).toBe(printed)
  })

  it('is the line where that is not a key, cut to its first 80 characters', async () => {
    expect(await fingerprint('ssh-rsa !')).toBe('ssh-rsa ! (not the base64 of a key)')
    expect(await fingerprint('ssh-rsa')).toBe('ssh-rsa (not the base64 of a key)')
    const line = `ssh-rsa ${'!'.repeat(100)}`
    expect(await fingerprint(line)).toBe(`${line.slice(0, 80)} (not the base64 of a key)`)
  })
})
