import { hasLandlock, startProgram, type OwnedProcess } from '@strongroom/platform'
import { HandedFiles } from './handed-files.ts'

/** What QEMU itself refuses to do from its start on (seccomp): programs, privileges and other processes' scheduling. */
const sandbox = ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny']

/**
 * Starts QEMU for bytes of somebody else's: in a session of its own, as a user that has no file of this machine, held to what it
 * is handed. Its control channel is the third of its streams, a socket pair.
 * @param o.user number; this process's own where absent
 * @param o.log descriptor that its complaints go to
 * @param o.args hands it the files and gives its arguments
 * @throws ServiceError MissingProgram
 */
export async function launchQemu(o: {
  user: number | undefined
  log: number | 'pipe'
  args(files: HandedFiles): Promise<string[]>
}): Promise<OwnedProcess> {
  const files = new HandedFiles()
  try {
    const args = await o.args(files)
    return startProgram({
      command: 'qemu-system-x86_64',
      args: [...files.arguments, ...args, ...sandbox],
      stdio: ['ignore', o.log, o.log, 'pipe', ...files.descriptors],
      confinement: { ...(o.user !== undefined && { user: o.user }), ...(hasLandlock() && { opens: {} }) },
      newSession: true,
      dieWithParent: true,
    })
  } finally {
    await files.close()
  }
}
