import { digest, parseCertificate, parseSnpReport, toHex, verifySnp } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { createSilicon } from './silicon.ts'
import { memoryKeyStore, settableClock, tinyFirmware } from './testing.ts'

const clock = settableClock()
const keys = memoryKeyStore()

describe('createSilicon', () => {
  it('pins the roots of its own hardware and says that they are simulated', async () => {
    const silicon = await createSilicon({ keys, clock })
    expect(silicon.anchors.simulated).toBe(true)
    const { ark } = await silicon.amd.endorsements()
    expect(silicon.anchors.amd).toEqual([
      { name: 'Simulated ARK-Milan', spkiSha256: toHex(await digest('SHA-256', parseCertificate(ark).publicKey.spki)) },
    ])
  })

  it('has the same anchors after a restart, and makes no new keys', async () => {
    const first = await createSilicon({ keys, clock })
    const names = keys.names().toSorted()
    const again = await createSilicon({ keys, clock })
    expect(again.anchors).toEqual(first.anchors)
    expect(keys.names().toSorted()).toEqual(names)
  })

  it('serves many guests at once', async () => {
    const silicon = await createSilicon({ keys, clock })
    const guests = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        silicon.amd.launch({ firmware: tinyFirmware(index % 2), vCPUs: 1 + (index % 3), vcpuType: 'EPYC-Milan' }),
      ),
    )
    const chain = await silicon.amd.endorsements()
    for (const guest of guests) {
      const report = parseSnpReport(await guest.report(new Uint8Array(64)))
      const verified = await verifySnp({ report, chain, anchors: silicon.anchors, crl: chain.crl, at: clock.now() })
      expect(toHex(verified.report.measurement)).toBe(toHex(guest.measurement))
    }
  })
})
