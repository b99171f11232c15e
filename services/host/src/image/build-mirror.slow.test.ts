import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { buildImage } from './build.ts'
import { recipeSources } from './recipe.ts'

/** As often as a mirror may refuse one file in a row, without the build giving up. */
const refusals = 4

const release = '/debian/dists/trixie/InRelease'

it('a build asks a mirror again that is busy, after pauses that grow', { timeout: 180_000 }, async () => {
  const cacheDir = await mkdtemp(join(tmpdir(), 'strongroom-mirror-'))
  const at = new Map<string, number[]>()
  const mirror = createServer(({ url = '' }, response) => {
    const times = at.get(url) ?? []
    at.set(url, [...times, Date.now()])
    // Then it has nothing: there is no mirror of a few files that is signed by Debian.
    const isBusy = url === release && times.length < refusals
    response.writeHead(isBusy ? 503 : 404).end()
  })
  await new Promise<void>((done) => mirror.listen(0, '127.0.0.1', done))
  try {
    const { port } = mirror.address() as AddressInfo
    const build = buildImage({ cacheDir, source: recipeSources.minimal, mirror: `http://127.0.0.1:${port}/debian` })
    await expect(build).rejects.toMatchObject({
      code: 'ImageBuildFailed',
      found: expect.stringContaining('apt-get update') as string,
    })
    const times = at.get(release) ?? []
    expect(times).toHaveLength(refusals + 1)
    const pauses = times.slice(1).map((time, n) => time - times[n]!)
    expect(pauses).toEqual(pauses.toSorted((one, other) => one - other))
  } finally {
    mirror.close()
    await rm(cacheDir, { recursive: true, force: true })
  }
})
