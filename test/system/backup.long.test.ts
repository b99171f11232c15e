import { generateKeyPairSync } from 'node:crypto'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { importedImageOffer, referenceImageUrn, type ErrorBody, type ImageRecord } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestInstallation } from './support/installation.ts'
import { apiVersions } from '../../apps/cli/src/client/arm.ts'
import { Customer } from './support/customer-keys.ts'
import { guestStateFile, openArm, type VmView } from './support/vm.ts'

/**
 * One confidential VM, really booted, that is backed up while it runs and restored in another installation: another state directory,
 * another certificate authority, another vault, no image. The tests share both, in this order.
 */
const [first, second] = [await TestInstallation.create(), await TestInstallation.create()]
const elsewhere = await mkdtemp(join(tmpdir(), 'strongroom-backups-'))
const folder = join(elsewhere, 'backups')
const at = (name: string): string => join(elsewhere, name)
const name = 'kept'

interface Made {
  directory: string
  manifestSha256: string
  bytes: number
  diskBytes: number
  copiedBytes: number
  copiedIncrementally: boolean
  madeAt: string
  generation: number
}
interface Trust {
  trusted: boolean
  vmId: string
  links: { id: string; outcome: string; code?: string; shows: string[] }[]
}

const codeOf = (json: unknown): string | undefined => (json as ErrorBody | undefined)?.error.code
const sshKey = join(first.home, 'config/strongroom/ssh/id_ed25519.pub')
/** From a vault of the second installation. */
let keyId: string
const recipient = (): string[] => ['--recipient-key', keyId, '--vault-state', second.stateDir]
const restoring = (from: string, ...more: string[]): string[] => [
  'vm',
  'restore',
  name,
  '--from',
  from,
  '--ssh-key',
  sshKey,
  ...more,
]
/** The only SCSI disk of the guest, which in the minimal image nothing loads a driver for. */
const onDataDisk = (command: string): string =>
  `sudo sh -c 'modprobe -a virtio_scsi sd_mod; until [ -e /sys/block/sda ]; do sleep 1; done; disk=/dev/sda; ${command}'`
let full: Made
let increment: Made
let vmId: string

beforeAll(async () => {
  await first.start()
  await second.start()
  const owner = new Customer(second)
  await owner.putVault()
  const vault = `https://${owner.vault}.vault.strongroom.internal`
  keyId = (await owner.keys('POST', `${vault}/keys/backups/create`, { kty: 'RSA', key_size: 3072 })).key.kid
  const image = await first.must<ImageRecord>('image', 'build', '--minimal')
  const urn = `${referenceImageUrn.publisher}:${importedImageOffer}:${image.id}:latest`
  const vm = await first.must<VmView>('vm', 'create', name, '--image', urn)
  vmId = vm.properties.vmId
  const arm = await openArm(first)
  const diskId = `${vm.id.split('/').slice(0, 5).join('/')}/providers/Microsoft.Compute/disks/data`
  const properties = { creationData: { createOption: 'Empty' }, diskSizeGB: 1 }
  await arm.run('PUT', diskId, apiVersions.compute, { location: arm.region, properties })
  const dataDisksToAttach = [{ diskId, lun: 3 }]
  await arm.run('POST', `${vm.id}/attachDetachDataDisks`, apiVersions.compute, { dataDisksToAttach })
  // Neither partitions nor a file system, like a disk that a guest encrypted.
  const { code, stderr } = await first.inGuest(
    name,
    `echo on the data disk | ${onDataDisk('dd of=$disk bs=512 seek=9 conv=sync')}`,
  )
  expect([code, stderr]).toEqual([0, expect.any(String)])
})

afterAll(async () => {
  await first.remove()
  await second.remove()
  await rm(elsewhere, { recursive: true, force: true })
})

const write = async (text: string): Promise<void> => {
  const { code, stderr } = await first.inGuest(name, `echo ${text} >>kept && sync && sudo sync`)
  expect([code, stderr]).toEqual([0, ''])
}

describe('a backup of a VM that runs', () => {
  it('is made for its owner’s key, and has no key and nothing of the vTPM in clear', async () => {
    await write('one')
    full = await first.must<Made>('vm', 'backup', name, '--to', folder, ...recipient())
    expect(full.copiedIncrementally).toBe(false)
    expect((await readdir(folder)).toSorted()).toEqual(['0000'])
    const state = await readFile(join(folder, '0000/guest-state'))
    const variables = Buffer.from('SecureBoot', 'utf16le')
    expect(state.includes(variables)).toBe(false)
    const kept = await first.inGuest(name, 'cat kept')
    expect(kept.stdout.trim()).toBe('one')
  })

  it('is followed by an increment that has what was written since, and little more', async () => {
    await write('two')
    increment = await first.must<Made>('vm', 'backup', name, '--incremental', '--from', folder, ...recipient())
    expect(increment.copiedIncrementally).toBe(true)
    expect(increment.diskBytes).toBeGreaterThan(0)
    expect(increment.diskBytes).toBeLessThan(full.diskBytes / 4)
    expect(increment.copiedBytes).toBeLessThan(full.diskBytes / 4)
    // Later writes are not in it.
    await write('three')
  })
})

describe('a restore in another installation', () => {
  beforeAll(async () => {
    await first.stop()
  })

  it('is refused with another key, an altered disk or manifest, and with increments missing or out of order (attack H19)', async () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
    await writeFile(at('other.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    const wrongKey = await second.cli(...restoring(folder, '--private-key', at('other.pem')))
    expect(codeOf(wrongKey.json)).toBe('BackupKeyRefused')
    const tried = async (change: (copy: string) => Promise<void>): Promise<string | undefined> => {
      const copy = at('copy')
      await cp(folder, copy, { recursive: true })
      try {
        await change(copy)
        return codeOf((await second.cli(...restoring(copy))).json)
      } finally {
        await rm(copy, { recursive: true })
      }
    }
    const flip = async (file: string): Promise<void> => {
      const bytes = await readFile(file)
      bytes[Math.floor(bytes.length / 2)]! ^= 1
      await writeFile(file, bytes)
    }
    expect(await tried(async (copy) => await flip(join(copy, '0001/manifest.jws')))).toBe('BackupNotSigned')
    expect(await tried(async (copy) => await flip(join(copy, '0000/os.chunks')))).toBe('BackupAltered')
    expect(await tried(async (copy) => await flip(join(copy, '0001/guest-state')))).toBe('BackupAltered')
    expect(await tried(async (copy) => await rm(join(copy, '0000'), { recursive: true }))).toBe('BackupIncomplete')
    expect(
      await tried(async (copy) => {
        await cp(join(copy, '0000'), join(copy, 'was'), { recursive: true })
        await rm(join(copy, '0000'), { recursive: true })
        await cp(join(copy, '0001'), join(copy, '0000'), { recursive: true })
        await rm(join(copy, '0001'), { recursive: true })
        await cp(join(copy, 'was'), join(copy, '0001'), { recursive: true })
      }),
    ).toBe('BackupNotSigned')
    expect((await second.must<unknown[]>('vm', 'list')).length).toBe(0)
  })

  it('boots with its disk unlocked, its data as of the backup, and a trust report that says so', async () => {
    const vm = await second.must<VmView>(...restoring(folder))
    expect(vm.properties.vmId).not.toBe(vmId)
    const trust = await second.must<Trust>('vm', 'trust', name)
    expect(trust.links.filter(({ outcome }) => outcome !== 'verified')).toEqual([])
    expect(trust.trusted).toBe(true)
    const shown = trust.links.find(({ id }) => id === 'guest-state')?.shows.join('\n')
    expect(shown).toContain(`restored from a backup of VM ${vmId.toUpperCase()} made at ${increment.madeAt}`)
    expect(shown).toContain(`of guest state generation ${increment.generation}; manifest`)
    expect(shown).toContain('that backup is the one that you restored')
    await cp(join(first.home, 'config/strongroom/ssh'), join(second.home, 'config/strongroom/ssh'), {
      recursive: true,
      force: true,
    })
    const { stdout } = await second.inGuest(name, 'cat kept; grep " / " /proc/mounts | cut -d " " -f 1')
    expect(stdout.trim()).toBe('one\ntwo\n/dev/mapper/root')
    const data = await second.inGuest(name, onDataDisk('dd if=$disk bs=512 skip=9 count=1 2>/dev/null | head -n 1'))
    expect(data.stdout.trim()).toBe('on the data disk')
  })

  it('does not start with a guest state of before, here or there (attack H20)', async () => {
    const [vm, old] = [await second.must<VmView>('vm', 'show', name), { properties: { vmId } } as VmView]
    const state = await guestStateFile(second, vm)
    await cp(state, at('while-it-ran.vmgs'))
    await second.must('vm', 'deallocate', name)
    await cp(state, at('newest.vmgs'))
    for (const [file, code] of [
      [at('while-it-ran.vmgs'), 'GuestStateRolledBack'],
      [await guestStateFile(first, old), 'GuestStateOfAnotherVm'],
    ] as const) {
      await cp(file, state)
      expect(codeOf((await second.cli('vm', 'start', name)).json)).toBe(code)
    }
    await cp(at('newest.vmgs'), state)
  })
})
