import { describe, expect, it } from 'vitest'
import { createSecret, hashSecret, matchesSecret } from './secret.ts'

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
