import { rmSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { expect, it, onTestFinished } from 'vitest'
import { memoryBackedDirectory } from './memory-backed.ts'

it('gives a fresh directory in memory that only its owner can enter', async () => {
  const [first, second] = await Promise.all([memoryBackedDirectory('test'), memoryBackedDirectory('test')])
  onTestFinished(() => {
    for (const directory of [first, second]) rmSync(directory, { recursive: true })
  })
  expect(first).not.toBe(second)
  expect(statSync(first).mode & 0o777).toBe(0o700)
  expect((await statfs(first)).type).toBe(0x01021994)
})

it('refuses a name that leads elsewhere', async () => {
  for (const name of ['../x', 'a/b', '', '.']) await expect(memoryBackedDirectory(name)).rejects.toThrow(TypeError)
})
