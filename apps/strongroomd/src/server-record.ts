import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Installation } from '@strongroom/platform'

/** STATE/server.json: how the CLI finds the running server. Written when it is ready, removed at its end. */
export async function writeServerRecord(
  stateDir: string,
  o: { installation: Installation; caPath: string; mapsAzureProviders: boolean },
): Promise<void> {
  const { installation, caPath } = o
  const stat = await readFile('/proc/self/stat', 'utf8')
  const record = {
    pid: process.pid,
    startTime: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19],
    ports: installation.ports,
    caPath,
    subscriptionId: installation.subscriptionId,
    tenantId: installation.tenantId,
    region: installation.region,
    mode: installation.mode,
    ...(o.mapsAzureProviders && { mapsAzureProviders: true }),
  }
  const path = join(stateDir, 'server.json')
  await writeFile(`${path}.partial`, JSON.stringify(record), { mode: 0o600 })
  await rename(`${path}.partial`, path)
}

export async function removeServerRecord(stateDir: string): Promise<void> {
  await rm(join(stateDir, 'server.json'), { force: true })
}
