import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { issueSelfSigned } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { publisher, type Publisher } from '@strongroom/paravisor/expected'
import { makeRepository, repositoryKeyFile } from './update-repository.ts'

const exec = promisify(execFile)
const at = new Date('2026-11-28T12:00:00Z')
let folder: string
let repository: string

function makePublisher(): Publisher {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const certificatePem = issueSelfSigned({
    subject: 'CN=publisher',
    privateKey,
    usages: ['codeSigning'],
    notBefore: new Date('2026-01-01'),
    notAfter: new Date('2056-01-01'),
  })
  return publisher({ privateKey, certificatePem })
}

async function addUpdate(version: string): Promise<void> {
  const [root, update] = [join(folder, `package-${version}`), join(folder, 'updates', `6.12-${version}`)]
  await mkdir(join(root, 'DEBIAN'), { recursive: true })
  await mkdir(update, { recursive: true })
  const control = [
    'Package: strongroom-boot-file',
    `Version: ${version}`,
    'Architecture: amd64',
    'Maintainer: a <b@c>',
    'Description: boot file',
    '',
  ]
  await writeFile(join(root, 'DEBIAN/control'), control.join('\n'))
  await exec('dpkg-deb', [
    '--root-owner-group',
    '--build',
    root,
    join(update, `strongroom-boot-file_${version}_amd64.deb`),
  ])
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'strongroom-repository-'))
  await addUpdate('1.1')
  await addUpdate('2.1')
  repository = await makeRepository({ updates: join(folder, 'updates'), image: 'web', publisher: makePublisher(), at })
})

afterAll(async () => await rm(folder, { recursive: true, force: true }))

/** A real apt with only this repository. */
async function apt(name: string, ...args: string[]): Promise<string> {
  const root = join(folder, name)
  for (const path of ['lists/partial', 'cache/archives/partial', 'etc'])
    await mkdir(join(root, path), { recursive: true })
  await writeFile(join(root, 'status'), '')
  const source = `deb [arch=amd64 signed-by=${join(repository, repositoryKeyFile)}] copy:${repository}/ ./\n`
  await writeFile(join(root, 'sources.list'), source)
  const options = {
    'Dir::Etc::sourcelist': 'sources.list',
    'Dir::Etc::sourceparts': 'etc',
    'Dir::State::lists': 'lists',
    'Dir::State::status': 'status',
    'Dir::Cache': 'cache',
  }
  const set = Object.entries(options).flatMap(([option, path]) => ['-o', `${option}=${join(root, path)}`])
  const { stdout, stderr } = await exec('apt-get', [
    ...set,
    '-o',
    'APT::Sandbox::User=root',
    '-o',
    'APT::Architecture=amd64',
    ...args,
  ])
  return `${stdout}${stderr}`
}

describe('the repository of an image’s updates', () => {
  it('is taken by apt under the publisher’s key, and the newest update in it', async () => {
    expect(await apt('good', 'update', '--error-on=any')).not.toMatch(/^[WE]:/m)
    expect(await apt('good', 'install', '--simulate', 'strongroom-boot-file')).toContain(
      'Inst strongroom-boot-file (2.1',
    )
  })

  it('is refused by apt where a mirror changed what it has, and under another publisher’s key (attack H14)', async () => {
    const packages = join(repository, 'Packages')
    const before = await readFile(packages)
    await writeFile(packages, before.toString().replace('Version: 2.1', 'Version: 9.9'))
    await expect(apt('changed', 'update', '--error-on=any')).rejects.toThrow('Packages')
    await writeFile(packages, before)
    const other = await mkdtemp(join(folder, 'other-'))
    await mkdir(join(other, 'updates'))
    const foreign = await makeRepository({
      updates: join(other, 'updates'),
      image: 'web',
      publisher: makePublisher(),
      at,
    })
    await writeFile(join(repository, repositoryKeyFile), await readFile(join(foreign, repositoryKeyFile)))
    await expect(apt('foreign', 'update', '--error-on=any')).rejects.toThrow('InRelease')
  })
})
