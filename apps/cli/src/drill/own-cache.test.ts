import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { linkCache } from './own-cache.ts'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'strongroom-own-cache-'))))
afterAll(async () => await rm(folder, { recursive: true, force: true }))

it('a drill finds the user’s images, and what it builds is not among them (attack H29)', async () => {
  const users = join(folder, 'users')
  for (const name of ['reference-1', '.partial-reference-2'])
    await mkdir(join(users, 'images', name), { recursive: true })
  await writeFile(join(users, 'images/reference-1/image.json'), '{}')
  await writeFile(join(users, 'acceleration.json'), '{}')
  const own = await linkCache(users, join(folder, 'own'))
  expect(await readFile(join(own, 'images/reference-1/image.json'), 'utf8')).toBe('{}')
  expect(await readdir(own)).toEqual(['acceleration.json', 'images'])
  await mkdir(join(own, 'images/defective'))
  expect(await readdir(join(own, 'images'))).toEqual(['defective', 'reference-1'])
  await rm(own, { recursive: true })
  expect(await readdir(join(users, 'images'))).toEqual(['.partial-reference-2', 'reference-1'])
})

it('a user without a cache has none after a drill', async () => {
  const users = join(folder, 'none')
  await linkCache(users, join(folder, 'of-none'))
  await expect(readdir(users)).rejects.toThrow('ENOENT')
})
