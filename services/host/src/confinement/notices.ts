import { hasLandlock } from '@strongroom/platform'

/** Notices in the instance view of a VM whose programs are less confined than possible. */
export function confinementNotices(user: number | undefined): string[] {
  const notices: string[] = []
  if (user === undefined)
    notices.push(
      'QEMU and swtpm of this VM run as the server’s own user: code that escapes from the guest can stop the ' +
        'server’s processes and talk to its sockets. A server that runs as root gives each VM its own user.',
    )
  if (!hasLandlock())
    notices.push(
      'This host has no Landlock (Linux 6.2 with Landlock, and util-linux 2.41): QEMU and swtpm of this VM can ' +
        'open every file that their user may read.',
    )
  return notices
}
