import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import type { NvPublic } from './nv-public.ts'

/** What a launch writes into its vTPM before the guest starts. */
export interface LaunchRecord {
  /** SHA-256 of the claims in its report, which its transfer key makes unique. */
  claims: Uint8Array
  /** Of the guest state that it opened and raised. */
  generation: number
}

/**
 * NV index of the launch record: ppwrite, ppread, authread, no_da, platformcreate, written. So the paravisor alone writes it: firmware
 * leaves guests no platform hierarchy.
 * @example
 * import { launchIndex } from '@strongroom/evidence/expected'
 *
 * launchIndex.handle.toString(16) // => '1400107'
 */
export const launchIndex: NvPublic = { handle: 0x0140_0107, attributes: 0x6205_0001, bytes: 40 }

/**
 * @example
 * import { launchIndex, writeLaunchRecord } from '@strongroom/evidence/expected'
 *
 * writeLaunchRecord({ claims: new Uint8Array(32), generation: 1 }).length === launchIndex.bytes // => true
 */
export const writeLaunchRecord = ({ claims, generation }: LaunchRecord): Uint8Array =>
  new ByteWriter().bytes(claims).u64be(BigInt(generation)).finish()

/**
 * @throws ParseError
 * @example
 * import { readLaunchRecord, writeLaunchRecord } from '@strongroom/evidence/expected'
 *
 * readLaunchRecord(writeLaunchRecord({ claims: new Uint8Array(32), generation: 7 })).generation // => 7
 */
export function readLaunchRecord(content: Uint8Array): LaunchRecord {
  const reader = new ByteReader(content, 'launch record')
  const record = { claims: reader.bytes(32, 'claims'), generation: Number(reader.u64be('generation')) }
  reader.end()
  return record
}
