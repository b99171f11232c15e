import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { readStoreUrl } from './store-url.ts'

it('reads where the stores are from a file that its owner alone can read, and repeats nothing of another', async () => {
  const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-url-'))
  onTestFinished(async () => await rm(stateDir, { recursive: true }))
  const file = join(stateDir, 'url')
  expect(await readStoreUrl({ file: undefined, stateDir })).toBe(`sqlite:${stateDir}`)
  await expect(readStoreUrl({ file, stateDir })).rejects.toMatchObject({ code: 'InvalidStoreUrl', found: 'no file' })
  await writeFile(file, 'postgres://u:hidden@a,b/d\n', { mode: 0o600 })
  expect(await readStoreUrl({ file, stateDir })).toBe('postgres://u:hidden@a,b/d')
  const open = join(stateDir, 'open')
  await writeFile(open, 'postgres://u:hidden@a,b/d\n', { mode: 0o640 })
  const refusal = await readStoreUrl({ file: open, stateDir }).catch((error: unknown) => error)
  expect(refusal).toMatchObject({ code: 'SecretFileExposed', found: 'mode 0640' })
  expect(JSON.stringify(refusal)).not.toContain('hidden')
})
