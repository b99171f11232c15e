import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileDigest } from '../../apps/cli/src/release/file-digest.ts'
import { guests, services, type ContainerKind } from '../../scripts/container-kinds.ts'
import { buildRelease, provenance } from '../../scripts/release.ts'

const root = resolve(import.meta.dirname, '../..')
const directory = mkdtempSync(join(tmpdir(), 'strongroom-release-'))
const at = (name: string): string => join(directory, name)
const made = { commit: 'c'.repeat(40), builder: 'https://ci.example/release', source: 'git+https://example.org/x' }
const { publicKey, privateKey: key } = generateKeyPairSync('ed25519')
let files: string[]

beforeAll(async () => {
  files = await buildRelease(at('first'))
  writeFileSync(at('key.pem'), publicKey.export({ format: 'pem', type: 'spki' }))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const digestsOf = async (paths: readonly string[]): Promise<Record<string, string>> =>
  Object.fromEntries(await Promise.all(paths.map(async (path) => [basename(path), await fileDigest(path)] as const)))

describe('what is released', () => {
  it('is the npm packages, the Debian package and the container images', () => {
    const kinds = files.map((file) => basename(file).replace(/[-_]\d+\.\d+.*?(\.\w+)$/, '$1')).toSorted()
    const packages = ['contract', 'evidence', 'policy', 'release-policy', 'transparency', 'trust', 'node-linux-x64']
    const all = [
      ...packages.map((name) => `strongroom-${name}.tgz`),
      'strongroom.tgz',
      'strongroom.deb',
      'strongroom.tar',
      'strongroom-guests.tar',
    ]
    expect(kinds).toEqual(all.toSorted())
  })

  it('is the same bytes when it is built again, with the same statement', async () => {
    const first = await digestsOf(files)
    const statement = await provenance(files, { key, ...made })
    const again = await buildRelease(at('again'))
    expect(await digestsOf(again)).toEqual(first)
    expect(await provenance(again, { key, ...made })).toBe(statement)
    rmSync(at('again'), { recursive: true })
  })

  it('is verified by the command, and refused once a byte of a tarball is another', async () => {
    writeFileSync(at('p.json'), await provenance(files, { key, ...made }))
    const verify = (...paths: string[]): SpawnSyncReturns<string> =>
      spawnSync(
        join(root, 'strongroom'),
        [
          'release',
          'verify',
          at('p.json'),
          ...paths,
          '--key',
          at('key.pem'),
          '--builder',
          made.builder,
          '--commit',
          made.commit,
        ],
        { encoding: 'utf8' },
      )
    expect(verify(...files).status).toBe(0)
    const tarball = files.find((file) => /strongroom-\d.*\.tgz$/.test(file))!
    mkdirSync(at('tampered'))
    const tampered = join(at('tampered'), basename(tarball))
    const bytes = readFileSync(tarball)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(tampered, bytes)
    const refused = verify(tampered)
    expect(refused.status).toBe(6)
    expect(refused.stderr).toContain(`${basename(tarball)} is not what was released`)
  })
})

/** A container image, unpacked: its settings, the names in its layers as `tar -tv` lists them, and its files in a folder. */
function unpacked(kind: ContainerKind): { folder: string; config: { Env: string[] }; listed: string[] } {
  const image = at(`image-${kind.name}`)
  const folder = join(image, 'files')
  mkdirSync(folder, { recursive: true })
  execFileSync('tar', ['-xf', files.find((file) => basename(file).startsWith(`${kind.name}-0`))!, '-C', image])
  const [{ Config, Layers }] = JSON.parse(readFileSync(join(image, 'manifest.json'), 'utf8')) as [
    { Config: string; Layers: string[] },
  ]
  for (const layer of Layers) execFileSync('tar', ['-xf', join(image, layer), '-C', folder, '--exclude=./dev/*'])
  const listed = Layers.flatMap((layer) =>
    execFileSync('tar', ['-tvf', join(image, layer)], { encoding: 'utf8', maxBuffer: 2 ** 26 }).split('\n'),
  )
  return { folder, config: JSON.parse(readFileSync(join(image, Config), 'utf8')).config, listed }
}

/** Files below a folder that contain a private key or match the pattern; links are not followed. */
const holding = (
  folder: string,
  pattern = String.raw`-----BEGIN [A-Z ]*PRIVATE KEY-----\r?\n[A-Za-z0-9+/]{40}`,
): string[] =>
  spawnSync('grep', ['-rlPz', '--binary-files=text', '-e', pattern, folder], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((line) => line !== '')
    .map((path) => relative(folder, path))

/** Keys that Debian publishes in its packages: GnuTLS's self-tests, and OVMF's test keys for Secure Boot. */
const everybodys =
  /^usr\/(share\/ovmf\/PkKek-1-snakeoil\.key|bin\/gnutls-cli|lib\/x86_64-linux-gnu\/libgnutls\.so[\d.]*)$/

describe.each([services, guests])('the container image $name', (kind) => {
  it('holds no key and no trace of who built it, and of variables those that are documented', () => {
    const { folder, config, listed } = unpacked(kind)
    const names = ['HOME', 'PATH', 'STRONGROOM_CACHE_DIR', 'STRONGROOM_STATE_DIR', 'XDG_CONFIG_HOME']
    expect(config.Env.map((each) => each.split('=')[0])).toEqual(expect.arrayContaining(names))
    expect(config.Env).toHaveLength(names.length + Object.keys(kind.variables).length)
    const paths = listed.map((line) => line.split(/\s+/).slice(5).join(' ').split(' -> ')[0]!)
    expect(paths).toContain('./usr/lib/strongroom/server/main.js')
    const own =
      /\/machine-id$|id_rsa|id_ed25519|ssh_host_|login\.pem|root-key|master-key$|\/var\/(lib|cache)\/strongroom\/./
    expect(paths.filter((path) => own.test(path))).toEqual([])
    const left = (): string[] => holding(folder).filter((path) => kind === services || !everybodys.test(path))
    expect(left()).toEqual([])
    expect(holding(folder, `${directory}|${root}/`)).toEqual([])
    writeFileSync(
      join(folder, 'planted'),
      generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }),
    )
    expect(left()).toEqual(['planted'])
    if (kind === services) expect(listed.filter((line) => /^-..[sS]|^-.....[sS]/.test(line))).toEqual([])
    rmSync(folder, { recursive: true })
  })
})
