import { pckOids } from '@strongroom/evidence'
import { derBoolean, derEnumerated, derInteger, derOctets, derOid, derSequence } from './der-writer.ts'
import { platformTcb } from './platform-tcb.ts'

/**
 * SGX extension of a PCK certificate (Intel PCK certificate specification, section 1.3.5).
 * @param o.ppid 16 bytes naming the processor
 * @param o.platformInstanceId 16 bytes naming the platform
 */
export function pckExtension(o: { ppid: Uint8Array; platformInstanceId: Uint8Array }): Uint8Array {
  const field = (name: string, value: Uint8Array): Uint8Array => derSequence(derOid(name), value)
  const components = platformTcb.componentSvns.map((svn, index) =>
    field(`${pckOids.tcb}.${index + 1}`, derInteger(svn)),
  )
  const tcb = derSequence(
    ...components,
    field(pckOids.pceSvn, derInteger(platformTcb.pceSvn)),
    field(pckOids.cpuSvn, derOctets(platformTcb.cpuSvn)),
  )
  const configuration = derSequence(
    field(`${pckOids.configuration}.1`, derBoolean(false)),
    field(`${pckOids.configuration}.2`, derBoolean(false)),
    field(`${pckOids.configuration}.3`, derBoolean(true)),
  )
  return derSequence(
    field(pckOids.ppid, derOctets(o.ppid)),
    field(pckOids.tcb, tcb),
    field(pckOids.pceId, derOctets(platformTcb.pceId)),
    field(pckOids.fmspc, derOctets(platformTcb.fmspc)),
    field(pckOids.sgxType, derEnumerated(1)),
    field(pckOids.platformInstanceId, derOctets(o.platformInstanceId)),
    field(pckOids.configuration, configuration),
  )
}
