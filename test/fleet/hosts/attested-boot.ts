import type { InstanceSpec } from '@strongroom/contract'
import { noTokens, peerSilicon, peerWire } from '../../../services/host/src/agent/guests/peer-services.ts'
import type { VmPeer } from '../../../services/host/src/agent/guests/vm-peer.ts'
import { attest } from '../../../services/paravisor/src/release/attest.ts'
import { releaseClaims } from '../../../services/paravisor/src/release/claims.ts'
import { releaseKey } from '../../../services/paravisor/src/release/release.ts'
import { launchOnSilicon } from '../../../services/paravisor/src/release/silicon.ts'
import { makeTransferKey } from '../../../services/paravisor/src/release/transfer-key.ts'
import { readFirmware } from '../../../services/paravisor/src/firmware/read-firmware.ts'

/** A host's material for a release, which it may reuse when the VM is no longer its own. */
export interface HadRelease {
  vmId: string
  epoch: number
  keyId: string
  token: string
  placement: InstanceSpec['placement']
}

/** The part of a boot that fences concern: launched, attested and given its key, by the paravisor's own code. */
export async function attestedBoot(peer: VmPeer, spec: InstanceSpec): Promise<HadRelease> {
  const { attestationProvider: provider, guestStateKey: keyId = '', placement } = spec
  const wire = peerWire(peer)
  const silicon = peerSilicon(peer, { simulated: true, amd: [], intel: [] })
  const firmware = await readFirmware()
  const launched = await launchOnSilicon({ silicon, spec, firmware, vCPUs: spec.size.vCPUs })
  const transferKey = await makeTransferKey()
  const claims = releaseClaims({ spec, transferKey: transferKey.publicKey })
  const report = await launched.report(claims)
  const { token } = await attest({ wire, tokens: noTokens, provider, verifiers: undefined, report, claims })
  const asked = { wire, tokens: noTokens, keyId, target: token, ...(placement !== undefined && { placement }) }
  await releaseKey({ ...asked, caPem: peer.identity().authority, transferKey, at: new Date() })
  return { vmId: peer.vmId, epoch: peer.epoch, keyId, token, placement }
}
