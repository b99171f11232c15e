import { toHex, type TrustAnchors } from '@strongroom/evidence'
import { predictImageRegisters, verifyImageMeasurements } from '@strongroom/evidence/expected'
import type { Result } from '../core/output.ts'

/**
 * A verified, signed document of an image's measurements, with the resulting registers. The JSON includes the document,
 * for `vm trust --measurements`.
 * @throws EvidenceError if no pinned key signed it
 */
export async function measurementsResult(jws: string, anchors: TrustAnchors): Promise<Result> {
  const measurements = await verifyImageMeasurements({ jws, keys: anchors.images ?? [] })
  const { image, bootFile, measuredAt } = measurements
  const registers: Record<'on' | 'off', Record<string, string>> = {
    on: await registersOf(measurements, true),
    off: await registersOf(measurements, false),
  }
  const payload = Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')
  return {
    data: { measurements: JSON.parse(payload) as unknown, registers, jws },
    lines: [
      `${image.id} (${image.name} ${image.version}, ${image.source}), measured ${measuredAt.toISOString()}, ` +
        'signed by a key of anchors.json',
      `  boot file  ${toHex(bootFile.loader)} (Authenticode, SHA-256)`,
      ...bootFile.sections.map(({ name, sha256 }) => `  ${name.padEnd(10)} ${toHex(sha256)}`),
      ...(['on', 'off'] as const).flatMap((state) => [
        `Registers of a boot with Secure Boot ${state} (SHA-256)`,
        ...Object.entries(registers[state]).map(([index, value]) => `  PCR ${index.padEnd(6)} ${value}`),
      ]),
    ],
  }
}

async function registersOf(
  measurements: Awaited<ReturnType<typeof verifyImageMeasurements>>,
  secureBoot: boolean,
): Promise<Record<string, string>> {
  // The machine's register does not belong to the image.
  const { 1: _machine, ...registers } = await predictImageRegisters({ ...measurements, secureBoot })
  return Object.fromEntries(Object.entries(registers).map(([index, value]) => [index, toHex(value)]))
}
