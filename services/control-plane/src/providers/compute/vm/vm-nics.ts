import type { Fields } from '../../../arm/fields.ts'
import type { VmNic } from './vm-model.ts'

/** The network interfaces that a request names: all of them, or those that the VM has where it names none. */
export function readNics(properties: Fields, existing: VmNic[] | undefined): VmNic[] {
  const profile = properties.object('networkProfile')
  if (!profile.has('networkInterfaces')) return existing ?? []
  const listed = profile.list('networkInterfaces')
  return listed.map((fields) => {
    const own = fields.object('properties')
    return {
      id: fields.text('id') ?? '',
      deleteOption: own.oneOf('deleteOption', ['Delete', 'Detach']) ?? 'Detach',
      // Of a single one nobody says it.
      primary: (own.flag('primary') ?? false) || listed.length === 1,
    }
  })
}

export const primaryOf = (nics: readonly VmNic[]): VmNic | undefined => nics.find(({ primary }) => primary) ?? nics[0]
