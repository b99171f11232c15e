import type { ChangeAtRest } from './change-at-rest.ts'
import { adoptConverted } from './conversion.ts'
import { adoptRekeyed } from './rekey.ts'

/** Finishes the changes that an earlier server was interrupted at. */
export async function adoptChanges(o: Pick<ChangeAtRest, 'record' | 'files' | 'save'>): Promise<void> {
  await adoptConverted(o)
  await adoptRekeyed(o)
}
