import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { imageMeasurementsText } from '@strongroom/evidence/expected'
import type { ServiceContext } from '@strongroom/platform'
import { openMeasurementKey } from '../image/measurement-key.ts'

/** Signs an image that could never boot as if it had been built here: its digests are zeros. */
export async function signStandIn(
  o: Pick<ServiceContext, 'stateDir' | 'sealer'>,
  { id, name, version }: { id: string; name: string; version: string },
): Promise<void> {
  const zeros = new Uint8Array(32)
  const variables = (['PK', 'KEK', 'db', 'dbx'] as const).map((each) => ({ name: each, sha256: zeros }))
  const text = imageMeasurementsText({
    image: { id, name, version, source: 'reference' },
    measuredAt: new Date(0),
    bootFile: { loader: zeros, sections: [{ name: '.linux', sha256: zeros }] },
    root: { sha256: zeros, bytes: 1 },
    certificates: zeros,
    variables: { on: { variables }, off: { variables } },
  })
  const directory = join(o.stateDir, 'image-measurements')
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, `${id}.0000000000000000.jws`), (await openMeasurementKey(o)).sign(text))
}
