import { launchIndex, writeLaunchRecord, type LaunchRecord } from '@strongroom/evidence/expected'
import { hexOf } from './nv-index.ts'
import { ensureDefined, write, type PlatformIndex } from './platform-index.ts'
import type { Swtpm } from './swtpm.ts'

const { handle: index, bytes, attributes } = launchIndex
/** Without TPMA_NV_WRITTEN, which the TPM sets. */
const platformIndex: PlatformIndex = { index, bytes, attributes: hexOf(attributes - 0x2000_0000) }

/** Names the launch that starts this guest, so that no other life of the same guest state answers for it. At each boot. */
export async function writeLaunch(tpm: Swtpm, record: LaunchRecord): Promise<void> {
  await ensureDefined(tpm, platformIndex)
  await write(tpm, platformIndex, writeLaunchRecord(record))
}
