import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readCephConfiguration } from './ceph-configuration.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-ceph-'))
  await writeFile(join(directory, 'ceph.conf'), '[global]\n')
  await writeFile(join(directory, 'keyring'), '[client.strongroom]\n', { mode: 0o600 })
})
afterEach(async () => await rm(directory, { recursive: true, force: true }))

const good = (): Record<string, unknown> => ({
  kind: 'ceph',
  pool: 'vms',
  user: 'strongroom',
  keyring: join(directory, 'keyring'),
  conf: join(directory, 'ceph.conf'),
})
async function read(content: unknown): Promise<unknown> {
  const file = join(directory, 'storage.json')
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  return await readCephConfiguration(file)
}
const invalid = expect.objectContaining({ code: 'FleetStorageInvalid' })

describe('the file that says where disks of joined hosts’ VMs are', () => {
  it('names pool, user, keyring and cluster', async () => {
    expect(await read(good())).toEqual(good())
  })

  it.each([
    ['is no JSON', () => '{'],
    ['names another kind', () => ({ ...good(), kind: 'nfs' })],
    ['has a member too many, which might be a key', () => ({ ...good(), key: 'AQ==' })],
    ['has a pool that Ceph’s rights would read otherwise', () => ({ ...good(), pool: 'vms namespace=x' })],
    ['has a user with a prefix that is ours to add', () => ({ ...good(), user: '' })],
    ['names a keyring by a path of nobody knows where', () => ({ ...good(), keyring: 'keyring' })],
    ['names a keyring that is not there', () => ({ ...good(), keyring: join(directory, 'none') })],
    ['names a cluster that is not there', () => ({ ...good(), conf: join(directory, 'none') })],
  ] as [string, () => unknown][])('is refused where it %s', async (_what, content) => {
    await expect(read(content())).rejects.toEqual(invalid)
  })

  it('is refused while others can read the keyring', async () => {
    await chmod(join(directory, 'keyring'), 0o640)
    await expect(read(good())).rejects.toThrow(expect.objectContaining({ code: 'SecretFileExposed' }))
  })
})
