import { EventEmitter, once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withImageLock } from './build-lock.ts'
import { findImage, imageDirectory, listImages } from './catalog.ts'
import { imageFiles } from '@strongroom/paravisor/expected'
import { loadRecipe, recipeSources } from './recipe.ts'

let cacheDir: string

beforeAll(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'strongroom-catalog-'))
})

afterAll(async () => {
  await rm(cacheDir, { recursive: true, force: true })
})

async function put(id: string, builtAt: string): Promise<void> {
  const directory = imageDirectory(cacheDir, id)
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, imageFiles.record), JSON.stringify({ id, builtAt, path: '/where/it/was/built' }))
}

describe('the catalogue of images', () => {
  it('is empty before the first image', async () => {
    expect(await listImages(join(cacheDir, 'fresh'))).toEqual([])
  })

  it('lists whole images, oldest first, and gives the path that they have now', async () => {
    await put('younger', '2026-02-01T00:00:00.000Z')
    await put('older', '2026-01-01T00:00:00.000Z')
    await mkdir(imageDirectory(cacheDir, '.partial-third'))
    await mkdir(imageDirectory(cacheDir, 'without-record'))
    const images = await listImages(cacheDir)
    expect(images.map(({ id }) => id)).toEqual(['older', 'younger'])
    expect(images[0]?.path).toBe(join(imageDirectory(cacheDir, 'older'), imageFiles.disk))
  })

  it('knows no image by a name that leads out of the cache', async () => {
    for (const id of ['..', '../older', '.partial-third', '', '/etc', 'without-record', 'unknown']) {
      expect(await findImage(cacheDir, id), id).toBeUndefined()
    }
  })
})

describe('the recipe', () => {
  it('has the same id as long as nothing in it changes, and an id that can be a directory', async () => {
    const [first, second] = [await loadRecipe(), await loadRecipe()]
    expect(first.id).toBe(second.id)
    expect(first.id).toMatch(/^[a-z0-9.-]+$/)
    expect(first.packages).toContain('linux-image-cloud-amd64')
  })
  it('of the variant with cloud-init is another image with everything of the reference image', async () => {
    const [reference, variant] = [await loadRecipe(), await loadRecipe(recipeSources['cloud-init'])]
    expect(variant.id).toMatch(/^debian-13-cloud-init-[0-9a-f]{12}$/)
    expect(variant.packages).toEqual([...reference.packages, 'cloud-init'])
  })
})

describe('the lock of an image', () => {
  it('lets one work at a time and tells the other that it waits', async () => {
    const events: string[] = []
    const signals = new EventEmitter()
    const begun = once(signals, 'begun')
    const gate = once(signals, 'gate')
    const first = withImageLock({ cacheDir, id: 'shared' }, async () => {
      events.push('first begins')
      signals.emit('begun')
      await gate
      events.push('first ends')
    })
    await begun
    const waiting = (): void => {
      events.push('second waits')
      signals.emit('gate')
    }
    const second = withImageLock({ cacheDir, id: 'shared', waiting }, () =>
      Promise.resolve(events.push('second works')),
    )
    await Promise.all([first, second])
    expect(events).toEqual(['first begins', 'second waits', 'first ends', 'second works'])
  })

  it('is taken over from a process that is gone', async () => {
    await writeFile(join(cacheDir, 'images', '.lock-orphan'), '1 999999999999\n')
    expect(await withImageLock({ cacheDir, id: 'orphan' }, () => Promise.resolve('done'))).toBe('done')
  })

  it('is given back when the work fails', async () => {
    await expect(withImageLock({ cacheDir, id: 'failing' }, () => Promise.reject(new Error('no')))).rejects.toThrow(
      'no',
    )
    expect(await withImageLock({ cacheDir, id: 'failing' }, () => Promise.resolve('done'))).toBe('done')
  })

  it('is not waited for after the caller has given up', async () => {
    await withImageLock({ cacheDir, id: 'held' }, async () => {
      const waiter = withImageLock({ cacheDir, id: 'held', signal: AbortSignal.abort() }, () =>
        Promise.resolve('never'),
      )
      await expect(waiter).rejects.toThrow()
    })
  })
})
