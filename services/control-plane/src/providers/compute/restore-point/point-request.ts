import type { Fields } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/resource-id.ts'
import { diskIdOf, type Vm } from '../vm/vm-model.ts'

/** A VM's disk, as a restore point captures it. */
export interface TakenDisk {
  /** ARM id. */
  id: string
  name: string
  /** Absent for the OS disk. */
  lun?: number
}

/** The VM's disks: the OS disk first, then data disks by LUN. */
function disksOf({ id, internal: { model } }: Vm): TakenDisk[] {
  const data = (model.dataDisks ?? []).flatMap((disk): TakenDisk[] =>
    disk.id === undefined ? [] : [{ id: disk.id, name: disk.name, lun: disk.lun }],
  )
  return [{ id: diskIdOf(id, model.osDisk.name), name: model.osDisk.name }, ...data]
}

/** A restore point request, before its VM is read. */
export function readPoint(fields: Fields): { excluded: string[] } {
  const properties = fields.object('properties')
  const mode = properties.oneOf('consistencyMode', ['CrashConsistent', 'FileSystemConsistent', 'ApplicationConsistent'])
  if (mode !== undefined && mode !== 'CrashConsistent')
    fields.invalid(
      properties.at('consistencyMode'),
      `The value '${mode}' of parameter 'consistencyMode' is not allowed. Allowed values are: CrashConsistent.`,
      { expected: 'CrashConsistent', found: mode, remedy: 'Leave it out, or ask for CrashConsistent.' },
    )
  if (properties.object('sourceRestorePoint').has('id'))
    fields.unsupported(
      properties.at('sourceRestorePoint'),
      'Restore points are not copied between regions: an installation is in one place.',
      { expected: 'no sourceRestorePoint', found: 'one', remedy: 'Leave it out.' },
    )
  const storage = properties.object('sourceMetadata').object('storageProfile')
  for (const disk of [storage.object('osDisk'), ...storage.list('dataDisks')]) {
    const encryption = disk.object('diskRestorePoint').object('encryption')
    const type = encryption.text('type')
    if (encryption.object('diskEncryptionSet').has('id') || (type !== undefined && !/PlatformKey$/i.test(type)))
      fields.unsupported(
        encryption.path,
        'Encryption at rest with a customer’s key is not offered for restore points.',
        {
          expected: 'EncryptionAtRestWithPlatformKey',
          found: type?.slice(0, 80) ?? 'a disk encryption set',
          remedy: 'Leave the encryption out.',
        },
      )
  }
  const excluded = properties.list('excludeDisks').map((disk) => {
    const id = disk.text('id')
    if (id === undefined)
      fields.invalid(disk.at('id'), "Required parameter 'excludeDisks.id' is missing (null).", {
        expected: 'the id of a disk of the virtual machine',
        found: 'null',
      })
    return id ?? ''
  })
  return { excluded }
}

/** The disks in a restore point: all of the VM's except those excluded. */
export function takenDisks(fields: Fields, vm: Vm, excluded: string[]): TakenDisk[] {
  const disks = disksOf(vm)
  const without = new Set(excluded.map(keyOf))
  const known = new Set(disks.map(({ id }) => keyOf(id)))
  const stranger = excluded.find((id) => !known.has(keyOf(id)))
  if (stranger !== undefined)
    fields.problem({
      code: 'InvalidParameter',
      message: `The disk '${stranger.slice(0, 300)}' in excludeDisks is not attached to the virtual machine '${vm.name}'.`,
      target: 'properties.excludeDisks',
      expected: disks.map(({ id }) => id).join(', ').slice(0, 400), // prettier-ignore
      found: stranger.slice(0, 300),
      remedy: 'Name disks of the virtual machine.',
    })
  const taken = disks.filter(({ id }) => !without.has(keyOf(id)))
  if (taken.length === 0)
    fields.invalid(
      'properties.excludeDisks',
      'All disks of the virtual machine are excluded: the restore point would be empty.',
      { expected: 'at least one disk that is not excluded', found: 'none', remedy: 'Exclude fewer disks.' },
    )
  return taken
}
