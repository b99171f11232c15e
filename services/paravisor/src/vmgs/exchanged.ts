import { basename, dirname, join } from 'node:path'
import { ServiceError } from '@strongroom/platform'

/** Where the newest guest state is kept if the host exchanges the file at `path` under a running VM. */
export const keptBeside = (path: string): string => `${path}.kept`

/** As `machines/{vmId}/guest-state.vmgs`: relative to the state directory, without the host's path. */
const shown = (path: string): string => {
  const directory = dirname(path)
  return join(basename(dirname(directory)), basename(directory), basename(path))
}

const remedyFor = (path: string): string =>
  `Put it back in the state directory: mv ${shown(keptBeside(path))} ${shown(path)}. The VM does not start until then.`

/** @param found what is at `path` instead */
export function exchanged(path: string, found: string): ServiceError {
  return new ServiceError({
    code: 'GuestStateExchanged',
    message: `The guest state was replaced while the VM ran. Its newest state was kept as ${basename(keptBeside(path))}.`,
    target: 'guestState',
    expected: 'the file that the VM was started with, not changed by anyone else',
    found,
    remedy: remedyFor(path),
  })
}

/** An earlier stop kept the newest state elsewhere: the file at `path` is outdated. */
export function newerKept(path: string): ServiceError {
  return new ServiceError({
    code: 'GuestStateExchanged',
    message: `The guest state is not this VM’s newest: that one was kept as ${basename(keptBeside(path))} when the file was replaced.`,
    target: 'guestState',
    expected: `no ${basename(keptBeside(path))} beside the guest state`,
    found: shown(keptBeside(path)),
    remedy: remedyFor(path),
  })
}

/** Both at once: the file was exchanged, and writing beside it failed. */
export function notKept(found: string, cause: unknown): ServiceError {
  const why = (cause as NodeJS.ErrnoException | undefined)?.code ?? 'its directory could not be written'
  return new ServiceError({
    code: 'GuestStateExchanged',
    message: `The guest state was replaced while the VM ran, and its newest state could not be kept: ${why}.`,
    target: 'guestState',
    expected: 'the file that the VM was started with, not changed by anyone else',
    found,
    remedy: 'Restore the guest state and the disk from the same backup, or delete the VM and recreate it.',
    cause,
  })
}
