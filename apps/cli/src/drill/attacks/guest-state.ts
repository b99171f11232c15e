import { copyFile, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { refused, type Attack } from './attack.ts'
import type { Host } from '../host/host.ts'
import { editDatabase } from '../host/vm-record.ts'
import { runProgram } from '../host/programs.ts'

const stateRefused = refused(/^GuestState/)
/** For a VM under a customer's key: the owner of the guest state shows before it is opened, if the other is under none of its keys. */
const stateOfAnother = [stateRefused, refused(/^CustomerKeyNotOfSet$/)]
const rolledBack = refused(/^GuestStateRolledBack$/)
const rowAltered = refused(/^RowAltered$/)

const withoutState = async (host: Host): Promise<string | undefined> =>
  'security' in host.vm.spec &&
  'encryption' in host.vm.spec.security &&
  host.vm.spec.security.encryption === 'NonPersistedTPM'
    ? 'a VM with NonPersistedTPM has no guest state'
    : undefined

export const withoutSibling = async (host: Host): Promise<string | undefined> =>
  (await withoutState(host)) ??
  (host.sibling() === undefined ? 'the installation has no second encrypted confidential VM' : undefined)

/** The guest state from before the control run booted the VM once more. */
const olderState = (host: Host): string => join(host.o.original, 'machines', host.vm.vmId, 'guest-state.vmgs')

async function flip(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[offset] = bytes[offset]! ^ 1
  await writeFile(path, bytes)
}

/** Flips a bit in every non-empty block, so that no copy is spared. */
async function flipEveryBlock(path: string): Promise<void> {
  const bytes = await readFile(path)
  for (let at = 0; at < bytes.length; at += 4096) {
    const block = bytes.subarray(at, at + 4096)
    if (block.some((byte) => byte !== 0)) block[7] = block[7]! ^ 1
  }
  await writeFile(path, bytes)
}

const onState = (id: string, title: string, does: string, change: (host: Host) => Promise<void>): Attack => ({
  id,
  title,
  does,
  ends: [stateRefused],
  cannot: withoutState,
  carryOut: async (host) => {
    await change(host)
    return await host.boot()
  },
})

export const guestStateAttacks: Attack[] = [
  onState(
    'V9/cut',
    'guest state cut short',
    'cuts the file to a megabyte',
    async (host) => await truncate(host.guestState, 1_000_000),
  ),
  onState('V9/removed', 'guest state removed', 'removes the file', async (host) => await rm(host.guestState)),
  onState('V9/emptied', 'guest state overwritten with zeros', 'writes zeros over it', async (host) => {
    const { length } = await readFile(host.guestState)
    await writeFile(host.guestState, Buffer.alloc(length))
  }),
  onState(
    'V9/changed',
    'guest state changed in every block',
    'flips a bit in every block that is in use',
    async (host) => await flipEveryBlock(host.guestState),
  ),
  onState(
    'H10/header',
    'guest state changed in the headers of its container',
    'flips the bit of byte 0x10 of both headers',
    async (host) => {
      await flip(host.guestState, 0x10)
      await flip(host.guestState, 0x1010)
    },
  ),
  onState(
    'H10/one-header',
    'guest state changed in one header, so that the header of before counts',
    'flips the bit of byte 0x10 of the first header',
    async (host) => await flip(host.guestState, 0x10),
  ),
  {
    ...onState(
      'V9/other-state',
      'guest state of another VM',
      'puts it in place of this VM’s',
      async (host) => await copyFile(join(host.sibling()!.folder, 'guest-state.vmgs'), host.guestState),
    ),
    ends: stateOfAnother,
    cannot: withoutSibling,
  },
  {
    ...onState(
      'V9/other-both',
      'disk and guest state of another VM',
      'puts both in place of this VM’s',
      async (host) => {
        await copyFile(join(host.sibling()!.folder, 'guest-state.vmgs'), host.guestState)
        await runProgram('cp', [
          '--sparse=always',
          '--reflink=auto',
          `${host.sibling()!.folder}/os-disk.raw`,
          host.disk,
        ])
      },
    ),
    ends: stateOfAnother,
    cannot: withoutSibling,
  },
  {
    ...onState(
      'V9/rolled-back',
      'guest state of before the last boot',
      'puts an older copy back',
      async (host) => await copyFile(olderState(host), host.guestState),
    ),
    ends: [rolledBack],
    from: 'later',
  },
  {
    ...onState(
      'H5/generation',
      'guest state of before the last boot, and the counter in the vault’s database with it',
      'puts an older copy back and sets guest_state_generation to 0',
      async (host) => {
        await copyFile(olderState(host), host.guestState)
        const changed = editDatabase(
          host.o.stateDir,
          'vault',
          'UPDATE key_version SET guest_state_generation = 0 WHERE name = ?',
          `vm-${host.vm.vmId.toLowerCase()}`,
        )
        if (changed !== 1) throw new Error(`${changed} keys are of this VM`)
      },
    ),
    ends: [rowAltered],
    from: 'later',
  },
  {
    ...onState(
      'H5/other-key',
      'the key of another VM',
      'names it in the host’s record of this VM, with that VM’s guest state',
      async (host) => {
        const sibling = host.sibling()!
        const key = 'guestStateKey' in sibling.record.spec ? (sibling.record.spec.guestStateKey ?? '') : ''
        editDatabase(
          host.o.stateDir,
          'host',
          `UPDATE instance SET record = json_set(record, '$.spec.guestStateKey', ?) WHERE vm_id = ?`,
          key,
          host.vm.vmId,
        )
        await copyFile(join(sibling.folder, 'guest-state.vmgs'), host.guestState)
      },
    ),
    ends: [rowAltered],
    cannot: withoutSibling,
  },
]
