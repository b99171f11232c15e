import { createHash, randomBytes } from 'node:crypto'
import { copyFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { admitBoots, type DiskKey } from '@strongroom/paravisor/testing'
import { manufactureTpm, startSwtpm, stopSwtpm, TpmDirectory, tpmTool, writeDiskKey } from '@strongroom/paravisor/tpm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { carry, endorsementKeyOf, runShell, withSession } from '../testing/initrd-shell.ts'

const ones = Buffer.alloc(32, 1)
const extended = createHash('sha256').update(Buffer.alloc(32)).update(ones).digest()
const separator = createHash('sha256').update(Buffer.alloc(4)).digest('hex')
const image = { 4: extended, 7: extended, 11: extended }
const luksUuid = '01234567-89ab-cdef-0123-456789abcdef'
const aKey = (): DiskKey => ({ luksUuid, volumeKey: new Uint8Array(randomBytes(64)), keyDigest: 'ab'.repeat(32) })

let work: string
let directory: TpmDirectory
let endorsement: Uint8Array
const at = (name: string): string => join(work, name)

beforeAll(async () => (work = await mkdtemp(join(tmpdir(), 'strongroom-count-'))))
afterAll(async () => await rm(work, { recursive: true, force: true }))

async function vTpm(): Promise<TpmDirectory> {
  const made = await TpmDirectory.make({ path: at(randomBytes(4).toString('hex')), user: undefined })
  await manufactureTpm({ directory: made })
  await writeDiskKey({ directory: made, key: aKey(), image })
  await admitBoots({ directory: made, firmware: extended, machine: extended })
  return made
}

beforeEach(async () => {
  directory = await vTpm()
  endorsement = await endorsementKeyOf(directory)
  await writeFile(at('disk'), '')
  await truncate(at('disk'), 32 * 2 ** 20)
})

/** What the kernel does for the initrd, which this test does without: mapping and mounting. */
const kernel = (partitions: readonly string[]): string => `
  root_partitions() { echo ${partitions.join(' ')}; }
  blockdev() { echo 65536; }
  dmsetup() { case $1 in create) cat >/dev/null ;; esac; }
  ln() { :; }
  mount() { :; }
`

/**
 * Opens the disk as the initrd does, up to its end or to `cut`, a function of it that the power fails before.
 * @returns what it says if it goes no further, and else what it measured about the count
 */
async function boot(
  o: { partitions?: readonly string[]; cut?: string; change?: Parameters<typeof carry>[1] } = {},
): Promise<{ said: string }> {
  const partitions = (o.partitions ?? ['disk']).map(at)
  await admitBoots({ directory, firmware: extended, machine: extended })
  const tpm = await startSwtpm({ directory, name: 'guest', startup: 'clear' })
  const carrier = await carry(tpm.socket, o.change)
  try {
    for (const register of [2, 3, 6]) await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${separator}`])
    for (const register of [0, 1, 4, 7, 11])
      await tpmTool(tpm, 'tpm2_pcrextend', [`${register}:sha256=${ones.toString('hex')}`])
    const own = (await withSession({ key: endorsement })).replaceAll(/"?\/dev\/\$(device|3|4)\b"?/g, '"$$$1"')
    const log = at('log')
    await writeFile(log, '')
    const { said } = await runShell(
      carrier.socket,
      `${own}log=${log}\n${kernel(partitions)}
      ${o.cut === undefined ? '' : `${o.cut}() { echo cut; exit 9; }`}
      open_session && open_encrypted "$(name_of $key_index)" && sed -n 's/.*"\\(strongroom-disk-count[^"]*\\)".*/\\1/p' $log`,
    )
    return { said: said.trim() }
  } finally {
    await carrier.close()
    await stopSwtpm(tpm)
  }
}

const opened = (count: number): string => `strongroom-disk-count:1:${luksUuid}:${count.toString(16).padStart(16, '0')}`
const older = 'OS disk refused: it is older than the last boot of this VM'
const none = 'OS disk did not unlock: no disk is the one that this VM was made with'

describe('the count of the OS disk', () => {
  it('goes up with each boot, on the disk and in the vTPM, and is measured', async () => {
    for (const count of [1, 2, 3]) expect((await boot()).said).toBe(opened(count))
  })

  it('keeps a whole older disk from being opened, and lets the newest through beside it (attack D7)', async () => {
    await copyFile(at('disk'), at('before'))
    await boot()
    await copyFile(at('disk'), at('older'))
    await boot()
    expect((await boot({ partitions: ['older'] })).said).toBe(older)
    expect((await boot({ partitions: ['before'] })).said).toBe(none)
    expect((await boot({ partitions: ['older', 'before', 'disk'] })).said).toBe(opened(3))
    expect((await boot()).said).toBe(opened(4))
  })

  it('is no other volume’s, and none that was written without the volume’s key (attack D7)', async () => {
    await boot()
    await copyFile(at('disk'), at('own'))
    const own = directory
    directory = await vTpm()
    endorsement = await endorsementKeyOf(directory)
    await writeFile(at('disk'), '')
    await truncate(at('disk'), 32 * 2 ** 20)
    await boot()
    directory = own
    endorsement = await endorsementKeyOf(directory)
    expect((await boot()).said).toBe(none)
    expect((await boot({ partitions: ['own'] })).said).toBe(opened(2))
  })

  it.each(['advance', 'write_count'])(
    'lets the newest disk be opened after the power failed before %s, again and again, and no older one (attack D7)',
    async (cut) => {
      await boot()
      await copyFile(at('disk'), at('older'))
      for (let times = 0; times < 3; times++) expect((await boot({ cut })).said).toBe('cut')
      expect((await boot()).said).toBe(opened(2))
      expect((await boot({ partitions: ['older'] })).said).toBe(older)
      expect((await boot()).said).toBe(opened(3))
    },
  )

  it('opens none that is further ahead than one boot that was cut short (attack D7)', async () => {
    await boot()
    const kept = await directory.readState()
    await boot()
    await boot()
    directory = await TpmDirectory.make({ path: at('put-back'), user: undefined, state: kept })
    expect((await boot()).said).toBe(none)
  })

  it('is believed of nobody who carries what the vTPM says (attack D7)', async () => {
    await boot()
    const denied = await boot({
      change: (answer, command) => (command.includes('0000016901400108') ? '80010000000a0000018b' : answer),
    })
    expect(denied.said).toBe('OS disk did not unlock: the TPM does not say how often it was opened')
  })
})
