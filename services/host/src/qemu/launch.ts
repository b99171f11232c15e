import { hasLandlock, startProgram, type OwnedProcess } from '@strongroom/platform'
import { HandedFiles } from './handed-files.ts'

/** What QEMU forbids itself from its start on (seccomp): programs, privileges and other processes' scheduling. */
export const sandbox: readonly string[] = [
  '-sandbox',
  'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
]

/**
 * Starts QEMU for untrusted bytes: in a separate session, as a user without files on this machine, limited to what it
 * is passed. Its control channel is its third stream, a socket pair.
 * @param o.user number; default: this process's own
 * @param o.log descriptor for its messages
 * @param o.args passes the files and returns its arguments
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
