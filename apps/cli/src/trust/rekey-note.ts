import { changeAsked } from './asked-settings.ts'

/**
 * Notes that the VM's owner replaced its volume key: `vm trust` accepts one change of the pinned volume, and refuses the volume of before.
 * @returns whether there is a pinned volume that changes
 */
export async function noteRekey(configDir: string, o: { vmId: string; at: Date }): Promise<boolean> {
  const { after } = await changeAsked(configDir, o.vmId, (stored) =>
    stored?.pins?.volume === undefined ? undefined : { ...stored, rekey: { at: o.at.toISOString() } },
  )
  return after?.pins?.volume !== undefined
}
