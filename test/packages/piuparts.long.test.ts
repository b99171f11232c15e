import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildDeb } from '../../scripts/build-deb.ts'
import { reversioned, versionOf } from './debian.ts'

/** It creates chroots. */
const canRun = process.getuid?.() === 0 && spawnSync('piuparts', ['--version']).status === 0

describe.skipIf(!canRun)('piuparts, with a fresh Debian 13 and a repository that has an earlier version', () => {
  let directory: string
  let deb: string
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'strongroom-piuparts-'))
    deb = await buildDeb(join(directory, 'built'))
    execFileSync('mmdebstrap', ['--variant=minbase', '--quiet', 'trixie', join(directory, 'base.tar.gz')])
    const repository = join(directory, 'repository')
    mkdirSync(repository)
    reversioned(deb, `${versionOf(deb)}~earlier`, repository)
    const index = execFileSync('dpkg-scanpackages', ['--multiversion', '.'], {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    writeFileSync(join(repository, 'Packages'), index)
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  it('finds nothing wrong with installing, upgrading and purging', () => {
    const repository = join(directory, 'repository')
    const log = join(directory, 'log')
    const base = ['--basetgz', join(directory, 'base.tar.gz'), '--distribution', 'trixie', '--no-eatmydata']
    const earlier = ['--bindmount', repository, '--extra-repo', `deb [trusted=yes] file:${repository} ./`]
    const { status } = spawnSync('piuparts', [...base, ...earlier, '--log-file', log, deb], { stdio: 'ignore' })
    const said = readFileSync(log, 'utf8')
    expect(status, said.slice(-4000)).toBe(0)
    // Each part ran, and the upgrade was a real one.
    expect(said).toMatch(/PASS: Installation and purging test/)
    expect(said).toMatch(/PASS: Installation, upgrade and purging tests/)
    expect(said).toContain(`Unpacking strongroom (${versionOf(deb)}) over (${versionOf(deb)}~earlier)`)
    expect(said.split('\n').filter((line) => /(ERROR|FAIL): /.test(line))).toEqual([])
  })
})
