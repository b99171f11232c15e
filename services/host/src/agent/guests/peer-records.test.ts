import { createLogger } from '@strongroom/platform'
import { describe, expect, it } from 'vitest'
import type { InstanceRecord } from '../../records/record.ts'
import { PeerRecords } from './peer-records.ts'
import type { VmPeer } from './vm-peer.ts'

const record = {
  spec: { vmId: '6B2F4C1E-0000-4000-8000-000000000001', osProfile: {} },
  provisioning: { state: 'Succeeded', steps: [] },
  power: { state: 'Ready', since: '2026-12-01T00:00:00.000Z', steps: [] },
  notices: [],
  sshPort: 2222,
} as unknown as InstanceRecord

describe('what a host reports of a guest', () => {
  it('includes the number of its boot, which scripts are signed for, and no port of the host', async () => {
    const sent: { status: Record<string, unknown>; record: object }[] = []
    const post = async (_path: string, body: (typeof sent)[number]): Promise<void> => void sent.push(body)
    const records = new PeerRecords({ post } as unknown as VmPeer, createLogger({ level: 'silent' }))
    await records.save(record)
    await records.sent()
    records.bootNumber = () => 'a'.repeat(32)
    await records.save(record)
    await records.sent()
    expect(sent.map(({ status }) => status['bootNumber'])).toEqual([undefined, 'a'.repeat(32)])
    expect(sent.flatMap((each) => [each.status, each.record]).filter((each) => 'sshPort' in each)).toEqual([])
  })
})
