import { readFile, stat } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { withNewKey } from './signing-key.ts'

describe('the key that signs an image', () => {
  it('is gone when the signing is done', async () => {
    const path = await withNewKey(async ({ keyPath }) => {
      expect(await readFile(keyPath, 'utf8')).toContain('PRIVATE KEY')
      expect((await stat(keyPath)).mode & 0o777).toBe(0o600)
      return keyPath
    })
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  it('is gone when the signing fails', async () => {
    let path = ''
    const failing = withNewKey(({ keyPath }) => {
      path = keyPath
      return Promise.reject(new Error('no'))
    })
    await expect(failing).rejects.toThrow('no')
    await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
