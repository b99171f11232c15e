/** The VM that a person last created or trusted under a name. */
export interface KnownName {
  vmId: string
  /** When they last trusted a boot of it; absent if they never did. */
  trustedAt?: string
}

export interface TrustWarning {
  code: 'AnotherVm' | 'PinsMissing' | 'TrustedOnFirstUse'
  message: string
}

/**
 * What a person must know before trust begins again: an identity, a boot file and a volume that are seen for the first time
 * are compared with nothing. A host could bring this about with a VM of its own under the old name.
 * @param o.known by the person under the VM's resource id
 * @param o.pinned whether they pinned a boot of this VM
 * @param o.recorded whether they created it, or have a record of it
 * @example
 * import { firstUseWarnings } from '@strongroom/trust'
 *
 * const known = { vmId: 'a1', trustedAt: '2026-11-29T07:10:10.621Z' }
 * firstUseWarnings({ vmId: 'b2', known, pinned: false, recorded: false })[0]?.code // => 'AnotherVm'
 * firstUseWarnings({ vmId: 'a1', known, pinned: true, recorded: true }) // => []
 */
export function firstUseWarnings(o: {
  vmId: string
  known: KnownName | undefined
  pinned: boolean
  recorded: boolean
}): TrustWarning[] {
  const { known, pinned, recorded } = o
  if (known !== undefined && known.vmId.toLowerCase() !== o.vmId.toLowerCase())
    return [anotherVm(o.vmId, known, pinned)]
  if (pinned) return []
  if (known?.trustedAt !== undefined)
    return [
      {
        code: 'PinsMissing',
        message:
          `You trusted this VM on ${known.trustedAt}, but what you pinned of its boots is gone: nothing shows that ` +
          'this boot is like those before it.',
      },
    ]
  if (recorded) return []
  return [
    {
      code: 'TrustedOnFirstUse',
      message:
        'Nothing is known here of this VM, neither a request for it nor a boot that you trusted: what was ' +
        'requested is taken from the resource manager’s record, which the operator could change.',
    },
  ]
}

function anotherVm(vmId: string, { vmId: before, trustedAt }: KnownName, pinned: boolean): TrustWarning {
  const since = trustedAt === undefined ? 'created' : `trusted on ${trustedAt}`
  const now = pinned ? 'It is compared with what you pinned of it' : 'Nothing was pinned of it before'
  return {
    code: 'AnotherVm',
    message:
      `This is another VM than the one that you ${since} under this name: vmId ${vmId}, not ${before}. Unless you ` +
      `know who recreated it, do not trust it: whoever runs the host may have exchanged it. ${now}.`,
  }
}
