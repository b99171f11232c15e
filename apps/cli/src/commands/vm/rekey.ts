import { apiVersions } from '../../client/arm.ts'
import type { Command } from '../../core/command.ts'
import { ownCommand } from '../../core/own-name.ts'
import { noteRekey } from '../../trust/rekey-note.ts'
import { fetchVm, followed, groupOption, openVm } from './resource.ts'

const noted =
  'Noted beside your pins: the next trusted boot has another volume, once. A boot with the volume of before is refused from now on.'
const notNoted = 'No volume of this VM is pinned here: `vm trust` takes the new one as first seen.'

/** It has no `--no-wait`: only a key that was replaced is noted, so that the note lets no other disk in. */
export const rekeyCommand: Command = {
  words: ['vm', 'rekey'],
  args: ['<name>'],
  names: 'vm',
  summary:
    'encrypt the OS disk of a deallocated VM under a new volume key; older copies stay readable under the old one',
  options: [groupOption],
  examples: ['strongroom vm rekey first'],
  run: async (context) => {
    const { arm, path, name } = await openVm(context)
    const { vmId } = (await fetchVm(arm, path)).properties
    context.say(
      `Encrypting the OS disk of ${name} under a new volume key. It takes as long as its disk takes to be written.`,
    )
    await followed(context, arm, await arm.send('POST', `${path}/rekey`, apiVersions.compute))
    const at = new Date()
    const isNoted = await noteRekey(context.paths.config, { vmId, at })
    return {
      data: { vmId, at: at.toISOString(), noted: isNoted },
      lines: [
        `${name} has a new volume key: its disk was encrypted again, and its vTPM holds the new key alone.`,
        'Copies of the disk made before (backups, snapshots, those of the host) stay readable to whoever read the old key.',
        isNoted ? noted : notNoted,
        `Start it: ${ownCommand(`vm start ${name}`)}`,
      ],
    }
  },
}
