import { boolean, enumerated, integer, octetString, oid, sequence } from '@strongroom/der'
import { pckOids } from '@strongroom/evidence'
import { platformTcb } from './platform-tcb.ts'

/**
 * SGX extension of a PCK certificate (Intel PCK certificate specification, section 1.3.5).
 * @param o.ppid 16 bytes identifying the processor
 * @param o.platformInstanceId 16 bytes identifying the platform
 */
export function pckExtension(o: { ppid: Uint8Array; platformInstanceId: Uint8Array }): Uint8Array {
  const field = (name: string, value: Uint8Array): Uint8Array => sequence(oid(name), value)
  const components = platformTcb.componentSvns.map((svn, index) => field(`${pckOids.tcb}.${index + 1}`, integer(svn)))
  const tcb = sequence(
    ...components,
    field(pckOids.pceSvn, integer(platformTcb.pceSvn)),
    field(pckOids.cpuSvn, octetString(platformTcb.cpuSvn)),
  )
  const configuration = sequence(
    field(`${pckOids.configuration}.1`, boolean(false)),
    field(`${pckOids.configuration}.2`, boolean(false)),
    field(`${pckOids.configuration}.3`, boolean(true)),
  )
  return sequence(
    field(pckOids.ppid, octetString(o.ppid)),
    field(pckOids.tcb, tcb),
    field(pckOids.pceId, octetString(platformTcb.pceId)),
    field(pckOids.fmspc, octetString(platformTcb.fmspc)),
    field(pckOids.sgxType, enumerated(1)),
    field(pckOids.platformInstanceId, octetString(o.platformInstanceId)),
    field(pckOids.configuration, configuration),
  )
}
