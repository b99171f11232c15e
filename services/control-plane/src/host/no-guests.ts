import type { CommandStatus, FreshQuote, InstanceStatus } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Host } from './host.ts'
import { WithoutBackups } from './no-backups.ts'

export const noGuestNotice =
  'Compute is simulated in this installation: no guest ran. Boot evidence is generated on request, and says so.'

/** A host without guests: nobody in it runs a script, answers, or has a disk. */
export class WithoutGuests
  extends WithoutBackups
  implements Pick<Host, 'command' | 'freshQuote' | 'findCommand' | 'rekey'>
{
  async command(): Promise<CommandStatus> {
    throw noGuest('So scripts cannot run.')
  }

  async freshQuote(): Promise<FreshQuote> {
    throw noGuest('So nobody answers a challenge.')
  }

  async findCommand(): Promise<CommandStatus | undefined> {
    return undefined
  }

  async rekey(): Promise<InstanceStatus> {
    throw noGuest('So no disk has a volume key.')
  }
}

const noGuest = (so: string): ServiceError =>
  new ServiceError({
    code: 'NoGuestRan',
    message: `${noGuestNotice} ${so}`,
    expected: 'an installation that boots guests',
    found: 'compute: simulated',
    remedy: 'Create the VM in an installation that boots guests, created without --compute.',
  })
