import { hasLandlock } from '@strongroom/platform'

/** Sentences for the instance view of a VM whose programs are held to less than they could be. */
export function confinementNotices(user: number | undefined): string[] {
  const notices: string[] = []
  if (user === undefined)
    notices.push(
      'QEMU and swtpm of this VM run as the server’s own user: what breaks out of the guest can end the server’s processes and speak to its sockets. A server that runs as root gives each VM a user of its own.',
    )
  if (!hasLandlock())
    notices.push(
      'This machine has no Landlock (Linux 6.2 with it and util-linux 2.41): QEMU and swtpm of this VM open every file that their user may read.',
    )
  return notices
}
