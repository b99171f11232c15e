import { copyFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { repart, type PartitionDefinition } from '../disks/repart.ts'
import { makeUefiVariables, imageKeys, expectedPcrs } from '@strongroom/paravisor/expected'
import { findImage, listImages } from './catalog.ts'
import { importImage } from './import.ts'
import { withNewKey } from './signing-key.ts'

const stub = '/usr/lib/systemd/boot/efi/linuxx64.efi.stub'

let directory: string
let cacheDir: string
let certificate: string
let count = 0

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-import-'))
  cacheDir = join(directory, 'cache')
  await writeFile(join(directory, 'os-release'), 'ID=tenant\nVERSION_ID="7.1"\nSTRONGROOM_DISK_KEY=2\n')
  await writeFile(join(directory, 'foreign-release'), 'ID=tenant\nVERSION_ID="7.1"\n')
  await writeFile(join(directory, 'root'), Buffer.alloc(1024 ** 2, 7))
  for (const [release, output] of [
    ['os-release', 'unsigned.efi'],
    ['foreign-release', 'foreign-unsigned.efi'],
  ] as const) {
    await run({
      command: '/usr/bin/python3',
      args: [
        '/usr/bin/ukify',
        'build',
        // Any PE image can serve as a kernel.
        `--linux=${stub}`,
        '--cmdline=quiet',
        `--os-release=@${join(directory, release)}`,
        '--uname=6.0-tenant',
        `--stub=${stub}`,
        `--output=${join(directory, output)}`,
      ],
    })
  }
  certificate = await withNewKey(async (key) => {
    for (const [from, to] of [
      ['unsigned.efi', 'signed.efi'],
      ['foreign-unsigned.efi', 'foreign.efi'],
    ] as const) {
      const args = ['--key', key.keyPath, '--cert', key.certificatePath]
      await run({ command: 'sbsign', args: [...args, '--output', join(directory, to), join(directory, from)] })
    }
    return key.certificatePem
  })
  // One byte of the command line, changed after signing.
  const tampered = await readFile(join(directory, 'signed.efi'))
  tampered[tampered.indexOf('quiet')] = 'Q'.charCodeAt(0)
  await writeFile(join(directory, 'tampered.efi'), tampered)
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

/** A disk with this boot file, with the certificate beside it by default. */
async function disk(o: { boot?: string; root?: boolean; certificate?: boolean }): Promise<string> {
  const path = join(directory, `disk-${++count}.raw`)
  const esp: PartitionDefinition = [
    ['Type', 'esp'],
    ['Format', 'vfat'],
    ['SizeMinBytes', '40M'],
    ['SizeMaxBytes', '40M'],
  ]
  if (o.boot !== undefined) esp.push(['CopyFiles', `${join(directory, o.boot)}:/EFI/BOOT/BOOTX64.EFI`])
  const partitions = [esp]
  if (o.root !== false)
    partitions.push([
      ['Type', 'root-x86-64'],
      ['CopyBlocks', join(directory, 'root')],
    ])
  await repart({ disk: path, directory: `${path}.d`, create: true, partitions })
  if (o.certificate !== false) await writeFile(`${path}.db.pem`, certificate)
  return path
}

async function reasons(path: string): Promise<string[]> {
  const error: unknown = await importImage({ cacheDir, path, name: 'tenant' }).then(
    () => undefined,
    (refusal: unknown) => refusal,
  )
  const { code, details } = error as { code: string; details?: { code: string; innererror?: object }[] }
  for (const detail of details ?? [])
    expect(Object.keys(detail.innererror ?? {})).toEqual(['expected', 'found', 'remedy'])
  return [code, ...(details ?? []).map((detail) => detail.code)]
}

describe('an image that qualifies', () => {
  it('joins the catalogue with what it reports about itself', async () => {
    const record = await importImage({ cacheDir, path: await disk({ boot: 'signed.efi' }), name: 'tenant' })
    expect(record).toMatchObject({
      name: 'tenant',
      source: 'import',
      os: { id: 'tenant', versionId: '7.1', kernel: '6.0-tenant' },
      qualifies: { confidential: true, diskEncryption: true, reasons: [] },
    })
    expect(await findImage(cacheDir, record.id)).toEqual(record)
    expect((await listImages(cacheDir)).map(({ id }) => id)).toContain(record.id)
    expect((await stat(record.path)).size).toBe(record.sizeBytes)
  })

  it('carries no encrypted disk where its initrd would not open one', async () => {
    const record = await importImage({ cacheDir, path: await disk({ boot: 'foreign.efi' }), name: 'foreign' })
    expect(record.qualifies).toMatchObject({ confidential: true, diskEncryption: false })
    expect(record.qualifies.reasons).toEqual([expect.stringContaining('STRONGROOM_DISK_KEY=2')])
  })

  it('is the same disk out of qcow2, VHD and raw', async () => {
    const path = await disk({ boot: 'signed.efi' })
    const digests = new Set<string>()
    for (const [format, options] of [
      ['qcow2', []],
      ['vpc', ['-o', 'subformat=fixed,force_size=on']],
      ['raw', []],
    ] as const) {
      const converted = `${path}.${format}`
      await run({ command: 'qemu-img', args: ['convert', '-O', format, ...options, path, converted] })
      await copyFile(`${path}.db.pem`, `${converted}.db.pem`)
      digests.add((await importImage({ cacheDir, path: converted, name: 'tenant' })).sha256)
    }
    expect(digests.size).toBe(1)
  })

  it('gives predictions that follow the keys and the boot file', async () => {
    const image = await importImage({ cacheDir, path: await disk({ boot: 'signed.efi' }), name: 'tenant' })
    const out = join(directory, 'variables.fd')
    await makeUefiVariables({ secureBoot: true, keys: await imageKeys(image), out })
    const firmware = new Uint8Array(32).fill(1)
    const on = await expectedPcrs({ image, variables: await readFile(out), firmware })
    await makeUefiVariables({ secureBoot: false, keys: { db: [] }, out })
    const off = await expectedPcrs({ image, variables: await readFile(out) })
    expect([on.atUnlock[0], on.atReady[0], on.firmwareLog[0], off.atReady[0]]).toEqual([
      firmware,
      firmware,
      firmware,
      undefined,
    ])
    expect(on.atReady[4]).not.toEqual(off.atReady[4])
    expect(on.atUnlock[7]).not.toEqual(off.atUnlock[7])
    expect(on.atUnlock[11]).toEqual(off.atUnlock[11])
    expect(on.atUnlock[11]).not.toEqual(on.atReady[11])
    expect(on.firmwareLog[11]).not.toEqual(on.atUnlock[11])
  })
})

describe('an image that does not qualify', () => {
  it('is refused with every reason at once', async () => {
    const path = await disk({ boot: 'unsigned.efi', root: false })
    expect(await reasons(path)).toEqual(['ImageNotQualified', 'NoRootPartition', 'NotSigned'])
  })

  it('is refused when its signer is in no db', async () => {
    expect(await reasons(await disk({ boot: 'signed.efi', certificate: false }))).toEqual([
      'ImageNotQualified',
      'SignerUnknown',
    ])
  })

  it('is refused when its boot file was changed after signing', async () => {
    expect(await reasons(await disk({ boot: 'tampered.efi' }))).toEqual(['ImageNotQualified', 'SignerUnknown'])
  })

  it('is refused when it boots nothing, or something that is not a program', async () => {
    expect(await reasons(await disk({}))).toEqual(['ImageNotQualified', 'NoBootFile'])
    expect(await reasons(await disk({ boot: 'os-release' }))).toEqual(['ImageNotQualified', 'BootFileInvalid'])
  })

  it('is refused when it names another file of this host as its content', async () => {
    const [path, secret] = [join(directory, 'thief.qcow2'), join(directory, 'root')]
    await run({ command: 'qemu-img', args: ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', secret, path] })
    expect(await reasons(path)).toEqual(['NotADiskImage'])
  })

  it('is refused when it is not a disk, no file, or has a name that is a path', async () => {
    expect(await reasons(join(directory, 'os-release'))).toEqual(['NotADiskImage'])
    expect(await reasons('/nowhere')).toEqual(['ImageNotFound'])
    expect(await reasons('relative.raw')).toEqual(['ImageNotFound'])
    const path = await disk({ boot: 'signed.efi' })
    await expect(importImage({ cacheDir, path, name: '../x' })).rejects.toMatchObject({ code: 'InvalidParameter' })
  })

  it('leaves nothing in the cache', async () => {
    await reasons(await disk({}))
    expect((await readdir(join(cacheDir, 'images'))).filter((name) => name.startsWith('.'))).toEqual([])
  })
})
