import { describe, expect, it } from 'vitest'
import { createSecret, hashSecret, matchesSecret } from './secret.ts'

describe('createSecret', () => {
  it('begins with no hyphen, which a command line would read as an option', () => {
    const secrets = Array.from({ length: 5_000 }, createSecret)
    expect(secrets.filter((secret) => !/^[A-Za-z0-9][\w-]{42}$/.test(secret))).toEqual([])
    expect(new Set(secrets).size).toBe(secrets.length)
  })
})

describe('hashSecret', () => {
  it('matches its secret and no other, and does not hold it', async () => {
    const secret = createSecret()
    const hash = await hashSecret(secret)
    expect(hash).not.toContain(secret)
    expect(await matchesSecret(secret, hash)).toBe(true)
    for (const other of ['', `${secret}x`, secret.slice(1), createSecret()])
      expect(await matchesSecret(other, hash)).toBe(false)
  })

  it('is never twice the same', async () => {
    expect(await hashSecret('x')).not.toBe(await hashSecret('x'))
  })

  it.each(['', 'x', 'plain$1$1$1$AA$AA', 'scrypt$16384$8$1$AA', 'scrypt$16384$8$1$AA$', 'scrypt$16384$8$1$$AA'])(
    'matches nothing against the hash %j',
    async (stored) => {
      expect(await matchesSecret('', stored)).toBe(false)
    },
  )
})
