import { execFileSync } from 'node:child_process'
import { copyFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildNpm, nodePackage } from '../../scripts/build-npm.ts'
import { buildPackages, published } from '../../scripts/build-packages.ts'
import { emptyFolder, npm } from './stranger.ts'

const root = resolve(import.meta.dirname, '../..')
/** The last release of the line between Debian's version and ours. */
const version = '22.23.3'
let directory: string
let built: string
let node: string

beforeAll(async () => {
  directory = emptyFolder()
  built = join(directory, 'built')
  buildPackages()
  await buildNpm(built)
  const folders = [...published.map((name) => join(root, 'packages', name)), join(built, 'strongroom')]
  const tarballs = folders.map((folder) =>
    join(directory, npm(folder, 'pack', '--pack-destination', directory).trim().split('\n').at(-1)!),
  )
  npm(directory, 'install', '--prefer-offline', ...tarballs, join(built, nodePackage))
  const apart = join(directory, 'node')
  npm(directory, 'install', '--prefer-offline', '--prefix', apart, `${nodePackage}@${version}`)
  node = join(apart, 'node_modules', nodePackage, 'bin/node')
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const run = (file: string): string => execFileSync(node, [file], { cwd: directory, encoding: 'utf8', timeout: 300_000 })

describe(`on Node ${version}, in a folder of a stranger’s`, () => {
  it('the libraries run, every entry of them', () => {
    expect(execFileSync(node, ['--version'], { encoding: 'utf8' })).toBe(`v${version}\n`)
    copyFileSync(join(import.meta.dirname, 'stranger.mjs'), join(directory, 'stranger.mjs'))
    expect(run('stranger.mjs')).toBe('ok\n')
  })

  it('a cloud starts, by the Node that came with it', () => {
    writeFileSync(
      join(directory, 'start.mjs'),
      "import { start } from 'strongroom'\nconst cloud = await start()\nprocess.stdout.write(cloud.region)\nawait cloud.stop()\n",
    )
    expect(run('start.mjs')).toBe('westeurope')
  })
})
